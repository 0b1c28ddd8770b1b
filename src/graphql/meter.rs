//! Counts what an operation does against the limits.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{ApiError, Caller, ErrorCode, RequestContext};
use crate::limits::{Bucket, Charge, Key, Limiter, Refused, Standing};

/// The most comparisons of all filters of an operation together.
const MAX_COMPARISONS: usize = 200;

/// The limits as one operation meets them. Cheap to clone; clones share what was charged.
#[derive(Clone, Debug)]
pub struct Meter {
    limiter: Limiter,
    address: IpAddr,
    tightest: Arc<Mutex<Option<Standing>>>,
    /// How many comparisons of filters the operation may still ask for.
    comparisons: Arc<AtomicUsize>,
}

impl Meter {
    /// For an operation of this request.
    pub fn new(limiter: Limiter, context: &RequestContext) -> Self {
        Self {
            limiter,
            address: context.client.address,
            tightest: Arc::default(),
            comparisons: Arc::new(AtomicUsize::new(MAX_COMPARISONS)),
        }
    }

    /// Charges what every operation costs: one for each field at its root, so that an alias counts.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub async fn begin(&self, caller: &Caller, root_fields: usize) -> Result<(), ApiError> {
        let cost = u32::try_from(root_fields).unwrap_or(u32::MAX);
        let address = Key::address(self.address);
        let (of_caller, key) = match caller {
            Caller::User(viewer) => (Bucket::User, Key::user(viewer.user_id)),
            Caller::Anonymous | Caller::Refused(_) => (Bucket::Anonymous, address),
        };
        let charges = [
            (Bucket::Global, Key::EVERYBODY),
            (of_caller, key),
            (Bucket::Address, address),
            (Bucket::General, address),
        ];
        self.charge(&charges.map(|(bucket, key)| Charge { bucket, key, cost }))
            .await
    }

    /// One use of a bucket by the address the request came from.
    pub fn at_address(&self, bucket: Bucket) -> Charge {
        Charge::one(bucket, Key::address(self.address))
    }

    /// Charges all of these, or none when one does not fit. To be done before the work it stands
    /// for.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub async fn charge(&self, charges: &[Charge]) -> Result<(), ApiError> {
        let taken = self.limiter.take(charges).await;
        let mut tightest = self.tightest.lock().unwrap_or_else(PoisonError::into_inner);
        match taken {
            Ok(standing) => {
                let remaining = |standing: Option<Standing>| standing.map(|at| at.remaining);
                if standing.is_some()
                    && (tightest.is_none() || remaining(standing) < remaining(*tightest))
                {
                    *tightest = standing;
                }
                Ok(())
            }
            Err(refused) => {
                *tightest = Some(refused.standing);
                Err(refused.into())
            }
        }
    }

    /// Counts comparisons of filters. Each looks at every row in question, and a filter stands
    /// behind every alias.
    ///
    /// # Errors
    /// `QUERY_TOO_COMPLEX`.
    pub fn compare(&self, count: usize) -> Result<(), ApiError> {
        let left = |left: usize| left.checked_sub(count);
        let order = Ordering::Relaxed;
        match self.comparisons.fetch_update(order, order, left) {
            Ok(_) => Ok(()),
            Err(_) => Err(ApiError::new(
                ErrorCode::QueryTooComplex,
                format!(
                    "The filters of this operation have more than {MAX_COMPARISONS} comparisons together."
                ),
            )),
        }
    }

    /// How the tightest limit stands that was charged so far, or that refused.
    pub fn standing(&self) -> Option<Standing> {
        *self.tightest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        let Standing {
            bucket,
            limit,
            window_seconds,
            ..
        } = refused.standing;
        let name = bucket.name();
        let Some(wait) = refused.retry_after else {
            let cost = refused.cost;
            return Self::new(
                ErrorCode::RateLimited,
                format!(
                    "This counts as {cost}, and the limit `{name}` never lets more than {limit} through at once. Ask for less at once."
                ),
            );
        };
        let seconds = wait.as_secs_f64().ceil().max(1.0);
        Self::new(
            ErrorCode::RateLimited,
            format!(
                "Too much for the limit `{name}`, which is {limit} in {window_seconds} s. Try again in {seconds} s."
            ),
        )
        .retry_after(wait.max(Duration::from_secs(1)))
    }
}
