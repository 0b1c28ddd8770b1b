//! Registering devices and phone numbers, in GraphQL.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use entity::DeviceId;

use super::api::{Device, DevicePlatform, PhoneNumber};
use super::service;
use crate::app::AppExt;
use crate::graphql::{ApiError, ContextExt, Kind, UserError};
use crate::limits::{Charge, Key};
use crate::notifications::error::told;
use crate::settings::Bucket;

/// The device that is to take push messages.
#[derive(InputObject)]
pub struct RegisterDeviceInput {
    /// Whose service reaches it.
    platform: DevicePlatform,
    /// What that service calls it: what its SDK gave to the application, as it is.
    token: String,
    /// What the person calls it, at most 100 characters.
    name: Option<String>,
}

/// The device that is to take no push messages any more.
#[derive(InputObject)]
pub struct RemoveDeviceInput {
    /// Which.
    id: ID,
}

/// The phone number that is to get SMS.
#[derive(InputObject)]
pub struct SetPhoneNumberInput {
    /// The number, with + and the code of its country.
    number: String,
}

/// What shows that the number is the person's.
#[derive(InputObject)]
pub struct ConfirmPhoneNumberInput {
    /// The six digits of the SMS.
    code: String,
}

/// The device that was registered.
#[derive(SimpleObject)]
pub struct RegisterDevicePayload {
    /// The device; null when there are user errors.
    device: Option<Device>,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// The device that is forgotten.
#[derive(SimpleObject)]
pub struct RemoveDevicePayload {
    /// Its id; null when there are user errors.
    removed_device_id: Option<ID>,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// That a code is under way.
#[derive(SimpleObject)]
pub struct SetPhoneNumberPayload {
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// The phone number that gets SMS now.
#[derive(SimpleObject)]
pub struct ConfirmPhoneNumberPayload {
    /// The number; null when there are user errors.
    phone_number: Option<PhoneNumber>,
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// That no number gets SMS.
#[derive(SimpleObject)]
pub struct RemovePhoneNumberPayload {
    /// What the person can put right.
    user_errors: Vec<UserError>,
}

/// Registering devices and phone numbers.
#[derive(Debug, Default)]
pub struct AddressMutation;

#[Object]
impl AddressMutation {
    /// Has push messages for the signed-in person sent to a device; again at each start of the
    /// application does no harm. One that was somebody else's is the person's from then on.
    async fn register_device(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The device.")] input: RegisterDeviceInput,
    ) -> Result<RegisterDevicePayload, ApiError> {
        let (app, viewer) = (ctx.app(), ctx.viewer()?);
        let (platform, name) = (input.platform.into(), input.name.as_deref());
        let device = service::register_device(app, viewer, platform, &input.token, name).await;
        let (device, user_errors) = told(device.map(Device))?;
        Ok(RegisterDevicePayload {
            device,
            user_errors,
        })
    }

    /// Has no push messages sent to a device any more.
    async fn remove_device(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which device.")] input: RemoveDeviceInput,
    ) -> Result<RemoveDevicePayload, ApiError> {
        let viewer = ctx.viewer()?;
        let id = DeviceId(Kind::Device.decode(&input.id)?);
        let (gone, user_errors) = told(service::remove_device(ctx.app(), viewer, id).await)?;
        Ok(RemoveDevicePayload {
            removed_device_id: gone.map(|()| input.id),
            user_errors,
        })
    }

    /// Sends an SMS with a code of six digits to a phone number. It is the signed-in person's with
    /// `confirmPhoneNumber`; until then they keep the one they have.
    async fn set_phone_number(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The number.")] input: SetPhoneNumberInput,
    ) -> Result<SetPhoneNumberPayload, ApiError> {
        let viewer = ctx.viewer()?;
        let meter = ctx.meter();
        let account = Charge::one(Bucket::AccountMailAccount, Key::user(viewer.user_id));
        let address = meter.at_address(Bucket::AccountMailAddress);
        // A stranger is not to be sent codes by many.
        let number = service::normal_number(&input.number).unwrap_or_default();
        let number = Charge::one(Bucket::AccountMailAccount, Key::account(&number));
        meter.charge(&[address, account, number]).await?;
        let (_, user_errors) =
            told(service::request_phone(ctx.app(), viewer, &input.number).await)?;
        Ok(SetPhoneNumberPayload { user_errors })
    }

    /// Has SMS sent to the phone number that the code came to.
    async fn confirm_phone_number(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What shows that it is the person's.")] input: ConfirmPhoneNumberInput,
    ) -> Result<ConfirmPhoneNumberPayload, ApiError> {
        let viewer = ctx.viewer()?;
        let phone = service::confirm_phone(ctx.app(), viewer, &input.code).await;
        let (phone_number, user_errors) = told(phone.map(Into::into))?;
        Ok(ConfirmPhoneNumberPayload {
            phone_number,
            user_errors,
        })
    }

    /// Has no SMS sent any more, and forgets the number.
    async fn remove_phone_number(
        &self,
        ctx: &Context<'_>,
    ) -> Result<RemovePhoneNumberPayload, ApiError> {
        service::remove_phone(ctx.app(), ctx.viewer()?).await?;
        Ok(RemovePhoneNumberPayload {
            user_errors: Vec::new(),
        })
    }
}
