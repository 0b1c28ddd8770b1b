//! Where else a person can be reached: devices, and a phone number they confirmed. The e-mail address
//! is the account's.

mod api;
mod mutation;
mod service;
mod store;

pub use self::api::{Device, PhoneNumber, devices_of, find_devices, phone_of};
pub use self::mutation::AddressMutation;
pub use self::service::{PHONE_CODE_MINUTES, PhoneCodeIssued};
pub use self::store::{devices_of_many, find_device, find_phone, invalidate, phones_of_many};
