//! Who may have how much open at once: sockets, and subscriptions over HTTP.
//!
//! Counted in this process: several replicas have as many seats each.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use entity::UserId;

use super::http::Refusal;
use crate::graphql::{ApiError, Caller, ErrorCode};
use crate::limits::network;
use crate::settings::WebsocketSettings;

/// When to try again after there was no seat.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// All seats of a process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Seats(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    most: usize,
    most_of_a_user: usize,
    most_of_an_address: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_holder: HashMap<Holder, usize>,
}

/// Whose a seat is. Nobody is known before the token was read: until then, and for those who sign
/// in never, it is the address that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Holder {
    /// A signed-in person.
    User(UserId),
    /// Anybody at this address.
    Address(IpAddr),
}

/// Why there is no seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The server has as many as it may.
    Server,
    /// This person, or this address.
    Holder,
}

/// One seat, until dropped.
#[derive(Debug)]
pub struct Seat {
    seats: Seats,
    holder: Holder,
}

impl Holder {
    /// Whose it is.
    pub fn of(caller: &Caller, address: IpAddr) -> Self {
        match caller {
            Caller::User(viewer) => Self::User(viewer.user_id),
            Caller::Anonymous | Caller::Refused(_) => Self::Address(network(address)),
        }
    }
}

impl Seats {
    /// As many as the settings say, all free.
    pub fn new(settings: &WebsocketSettings) -> Self {
        Self(Arc::new(Inner {
            most: settings.max_sockets,
            most_of_a_user: settings.max_sockets_per_user,
            most_of_an_address: settings.max_sockets_per_address,
            taken: Mutex::default(),
        }))
    }

    /// Takes a seat.
    ///
    /// # Errors
    /// When the server has as many as it may, or this person or address.
    pub fn take(&self, holder: Holder) -> Result<Seat, Full> {
        let mut taken = self.taken();
        if taken.all >= self.0.most {
            return Err(Full::Server);
        }
        self.sit(&mut taken, holder)?;
        taken.all += 1;
        Ok(Seat {
            seats: self.clone(),
            holder,
        })
    }

    /// How many are taken.
    pub fn count(&self) -> usize {
        self.taken().all
    }

    fn sit(&self, taken: &mut Taken, holder: Holder) -> Result<(), Full> {
        let most = match holder {
            Holder::User(_) => self.0.most_of_a_user,
            Holder::Address(_) => self.0.most_of_an_address,
        };
        let count = taken.by_holder.get(&holder).copied().unwrap_or_default();
        if count >= most {
            return Err(Full::Holder);
        }
        taken.by_holder.insert(holder, count + 1);
        Ok(())
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn leave(&mut self, holder: Holder) {
        if let Some(count) = self.by_holder.get_mut(&holder) {
            *count -= 1;
            if *count == 0 {
                self.by_holder.remove(&holder);
            }
        }
    }
}

impl Seat {
    /// Makes it another's: the person behind the address is known now.
    ///
    /// # Errors
    /// [`Full::Holder`], and the seat stays whose it was.
    pub fn pass_to(&mut self, holder: Holder) -> Result<(), Full> {
        if holder == self.holder {
            return Ok(());
        }
        let mut taken = self.seats.taken();
        self.seats.sit(&mut taken, holder)?;
        taken.leave(self.holder);
        drop(taken);
        self.holder = holder;
        Ok(())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken();
        taken.all -= 1;
        taken.leave(self.holder);
    }
}

/// How a subscription over HTTP is refused; a socket is closed with 1013 for both.
impl From<Full> for Refusal {
    fn from(full: Full) -> Self {
        let (status, code, message) = match full {
            Full::Server => (
                StatusCode::SERVICE_UNAVAILABLE,
                ErrorCode::Unavailable,
                "The server has as many subscribers as it takes. Try again later.",
            ),
            Full::Holder => (
                StatusCode::TOO_MANY_REQUESTS,
                ErrorCode::RateLimited,
                "Too many sockets and subscriptions are open at once. Close some, or try again later.",
            ),
        };
        let error = ApiError::new(code, message).retry_after(TRY_AGAIN);
        Self::with_status(status, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seats(most: usize) -> Seats {
        Seats(Arc::new(Inner {
            most,
            most_of_a_user: 2,
            most_of_an_address: 1,
            taken: Mutex::default(),
        }))
    }

    fn address(text: &str) -> Holder {
        Holder::of(&Caller::Anonymous, text.parse().unwrap())
    }

    fn user(number: u128) -> Holder {
        Holder::User(UserId(uuid::Uuid::from_u128(number)))
    }

    #[test]
    fn a_seat_is_counted_until_it_is_dropped() {
        let seats = seats(3);
        let ada = seats.take(user(1)).unwrap();
        let again = seats.take(user(1)).unwrap();
        assert_eq!(seats.take(user(1)).unwrap_err(), Full::Holder);
        let bob = seats.take(user(2)).unwrap();
        assert_eq!(seats.take(user(2)).unwrap_err(), Full::Server);
        drop(ada);
        assert_eq!(seats.count(), 2);
        seats.take(user(1)).unwrap();
        drop((again, bob));
        assert_eq!(seats.count(), 0);
        assert!(seats.taken().by_holder.is_empty());
    }

    #[test]
    fn a_seat_is_of_the_address_until_the_person_is_known() {
        let seats = seats(9);
        let mut first = seats.take(address("192.0.2.1")).unwrap();
        assert_eq!(seats.take(address("192.0.2.1")).unwrap_err(), Full::Holder);
        seats.take(address("192.0.2.2")).unwrap();
        first.pass_to(user(1)).unwrap();
        let mut second = seats.take(address("192.0.2.1")).unwrap();
        second.pass_to(user(1)).unwrap();
        let mut third = seats.take(address("192.0.2.1")).unwrap();
        assert_eq!(third.pass_to(user(1)), Err(Full::Holder));
        // It is still the address's, and free once it is dropped.
        assert_eq!(seats.take(address("192.0.2.1")).unwrap_err(), Full::Holder);
        drop((first, second, third));
        assert_eq!(seats.count(), 0);
        assert!(seats.taken().by_holder.is_empty());
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let one = address("2001:db8:1:2::1");
        assert_eq!(one, address("2001:db8:1:2:ffff::9"));
        assert_ne!(one, address("2001:db8:1:3::1"));
    }
}
