//! The wiring: from settings to the parts everything is made of.

use std::sync::Arc;
use std::time::Duration;

use async_graphql::Context;
use sea_orm::DatabaseBackend;
use tokio::time::timeout;

use crate::auth::{KeyError, Keys, Passwords, PasswordsError, Revocations, Tokens};
use crate::db::{Clock, ConnectError, Db, DbError};
use crate::delivery::breaker::Breaker;
use crate::delivery::callbacks;
use crate::delivery::callbacks::sendgrid::Verifier;
use crate::delivery::email::{EmailTransport, TransportError};
use crate::delivery::pace::Pace;
use crate::delivery::push::{PushError, PushTransport};
use crate::delivery::sms::{SmsError, SmsTransport};
use crate::delivery::stream::RedisStream;
use crate::events::{self, Bus, Feed};
use crate::graphql::{Documents, ManifestError};
use crate::kv::Kv;
use crate::limits::{Limiter, Turns};
use crate::notifications::{Rounds, Templates};
use crate::outbound::{Outbound, OutboundError};
use crate::settings::Settings;

/// How long the first connection to Redis is waited for, beside the start.
const WARM_UP: Duration = Duration::from_secs(5);

/// The parts of a running process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct App(Arc<Parts>);

/// What is inside an [`App`].
#[derive(Debug)]
pub struct Parts {
    /// What was set.
    pub settings: Settings,
    /// The database.
    pub db: Db,
    /// The documents clients may name.
    pub documents: Arc<Documents>,
    /// Hints.
    pub bus: Bus,
    /// What replicas share for a short while.
    pub kv: Kv,
    /// How often who may do what.
    pub limiter: Limiter,
    /// How many lists one person reads at the same time.
    pub turns: Turns,
    /// The streams followed in this process.
    pub feed: Feed,
    /// Hashes passwords.
    pub passwords: Passwords,
    /// Makes and checks access tokens.
    pub tokens: Tokens,
    /// Which access tokens ended before their time; tells open sockets.
    pub revocations: Revocations,
    /// Calls others by HTTP.
    pub outbound: Outbound,
    /// Sends mail.
    pub mail: EmailTransport,
    /// Stops mail while the mail server refuses us.
    pub mail_breaker: Breaker,
    /// How much mail leaves in a minute.
    pub mail_pace: Pace,
    /// Sends text messages.
    pub sms: SmsTransport,
    /// Stops them while their vendor refuses us.
    pub sms_breaker: Breaker,
    /// How many of them leave in a minute.
    pub sms_pace: Pace,
    /// Sends push messages.
    pub push: PushTransport,
    /// Stops them while their vendor refuses us.
    pub push_breaker: Breaker,
    /// How many of them leave in a minute: any number.
    pub push_pace: Pace,
    /// Checks what SendGrid calls back with; none when that is not set up.
    pub sendgrid_calls: Option<Verifier>,
    /// What other services follow.
    pub stream: RedisStream,
    /// The texts of messages.
    pub templates: Templates,
    /// Where deliveries meet that are sent at the same time.
    pub rounds: Rounds,
}

/// Why the process cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The database is older than this executable.
    #[error(
        "the database lacks {} changes ({}): run `taskflow migrate up`, or set TASKFLOW_DATABASE__MIGRATE_ON_START=true",
        .0.len(), .0.join(", ")
    )]
    NotMigrated(Vec<String>),
    /// Something the database was asked.
    #[error("{}", crate::telemetry::chain(.0))]
    Db(#[from] DbError),
    /// The signing key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The hashing of passwords.
    #[error(transparent)]
    Passwords(#[from] PasswordsError),
    /// Calls to others by HTTP.
    #[error(transparent)]
    Outbound(#[from] OutboundError),
    /// The mail transport.
    #[error(transparent)]
    Mail(#[from] TransportError),
    /// Text messages.
    #[error(transparent)]
    Sms(#[from] SmsError),
    /// Push messages.
    #[error(transparent)]
    Push(#[from] PushError),
    /// The key of SendGrid's calls.
    #[error("mail.sendgrid.callback_public_key: {0}")]
    Callback(#[from] callbacks::KeyError),
    /// The URL of Redis.
    #[error("redis.url cannot be understood: {0}")]
    Redis(#[from] redis::RedisError),
    /// The manifests of trusted documents.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The templates.
    #[error("a template is broken: {0}")]
    Template(Box<handlebars::TemplateError>),
}

impl App {
    /// Opens everything. The part of the bus that has to run is given back beside it.
    ///
    /// # Errors
    /// [`StartError`] says what to do.
    pub async fn start(
        settings: Settings,
        clock: Clock,
    ) -> Result<(Self, events::bus::Driver), StartError> {
        // On the heap: there is much to hold while it starts.
        Box::pin(Self::open(settings, clock)).await
    }

    async fn open(
        settings: Settings,
        clock: Clock,
    ) -> Result<(Self, events::bus::Driver), StartError> {
        // What needs no other machine comes first: it fails fast and changes nothing.
        let passwords = Passwords::new(&settings.auth.password)?;
        let templates = Templates::new().map_err(|error| StartError::Template(Box::new(error)))?;
        let outbound = Outbound::new(&settings.outbound)?;
        let mail = EmailTransport::new(&settings.mail, &outbound, clock.clone())?;
        let callback = format!("{}/callbacks/twilio", settings.public_url());
        let sms = SmsTransport::new(
            settings.effective_sms(),
            &settings.sms,
            &settings.mail.mailbox_folder,
            &outbound,
            clock.clone(),
            // Twilio calls back where it can reach.
            url::Url::parse(&callback)
                .ok()
                .filter(|url| url.scheme() == "https")
                .as_ref(),
        )?;
        let sms_pace = Pace::new(settings.sms.max_per_minute);
        let push = PushTransport::new(
            &settings.push,
            settings.effective_push(),
            &settings.mail.mailbox_folder,
            outbound.trusted(),
        )?;
        let sendgrid_calls = settings.mail.sendgrid.callback_public_key.as_deref();
        let sendgrid_calls = sendgrid_calls.map(Verifier::new).transpose()?;
        let [sms_breaker, push_breaker] = ["sms", "push"].map(|channel| {
            let (base, cap) = (
                settings.mail.probe_base_seconds,
                settings.mail.probe_cap_seconds,
            );
            Breaker::new(channel, Duration::from_secs(base), Duration::from_secs(cap))
        });
        let mail_breaker = Breaker::new(
            "email",
            Duration::from_secs(settings.mail.probe_base_seconds),
            Duration::from_secs(settings.mail.probe_cap_seconds),
        );
        let mail_pace = Pace::new(settings.mail.max_per_minute);
        let (bus, driver) = Bus::new(&settings.redis)?;
        let kv = Kv::new(&settings.redis)?;
        let limiter = Limiter::new(&settings, kv.clone(), clock.clone());
        let documents =
            Documents::load(&settings.persisted_documents, kv.clone(), limiter.clone())?;
        if kv.is_shared() {
            let kv = kv.clone();
            // So that the first request finds a connection.
            tokio::spawn(async move { timeout(WARM_UP, kv.is_up()).await });
        }
        let db = Db::connect(&settings.database, clock.clone()).await?;
        if settings.migrate_on_start() {
            db.migrate_up().await?;
        } else {
            let missing = db.pending_changes().await?;
            if !missing.is_empty() {
                return Err(StartError::NotMigrated(missing));
            }
        }
        let keys = Keys::load(&settings.auth, !settings.is_production())?;
        let tokens = Tokens::new(keys, &settings.auth, settings.issuer(), clock);
        let revocations = Revocations::load(db.clone(), &settings.auth).await?;
        let feed = Feed::open(db.clone(), &settings.events).await?;
        let stream = RedisStream::new(kv.clone(), &settings.sink);
        let parts = Parts {
            settings,
            db,
            documents: Arc::new(documents),
            bus,
            kv,
            limiter,
            turns: Turns::default(),
            feed,
            passwords,
            tokens,
            revocations,
            outbound,
            mail,
            mail_breaker,
            mail_pace,
            sms,
            sms_breaker,
            sms_pace,
            push,
            push_breaker,
            push_pace: Pace::new(0),
            sendgrid_calls,
            stream,
            templates,
            rounds: Rounds::default(),
        };
        Ok((Self(Arc::new(parts)), driver))
    }

    /// The database in words, for the lines at start.
    pub fn database_in_words(&self) -> &'static str {
        match self.db.backend() {
            DatabaseBackend::Postgres => "PostgreSQL",
            _ => "SQLite",
        }
    }
}

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// The way from a resolver to the parts.
pub trait AppExt {
    /// The parts of this process.
    fn app(&self) -> &App;
}

impl AppExt for Context<'_> {
    fn app(&self) -> &App {
        // `schema::Api` puts it into every request; there is no schema that serves without.
        self.data_unchecked()
    }
}
