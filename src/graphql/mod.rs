//! The GraphQL toolkit: what every domain's api is made of. Knows no domain.

mod at_hand;
mod context;
mod date;
mod documents;
mod errors;
pub mod guard;
mod ids;
mod loader;
mod meter;
mod outward;
mod page;

pub use self::at_hand::{AtHand, HasAtHand};
pub use self::context::{Answer, Caller, Client, ContextExt, Executed, RequestContext};
pub use self::date::{Date, is_date_time};
pub use self::documents::{Documents, ManifestError, Registration, check_manifests};
pub use self::errors::{ApiError, ErrorCode, UserError, UserErrorCode, shorten, stamp};
pub use self::ids::{Kind, type_id};
pub use self::loader::Loader;
pub use self::meter::Meter;
pub use self::outward::{outward, outward_id, outward_time};
pub use self::page::{
    CursorTime, DEFAULT_PAGE, MOST_PAGE, OpaqueCursor, Page, PageArgs, search_text,
};
