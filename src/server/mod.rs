//! The running process: ports, routes, the lines at start, and the order of its end.

mod accept;
mod callbacks;
mod health;
mod listen;
mod pages;
mod unsubscribe;

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::{HeaderName, Method, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use tokio::net::TcpListener;
use tower_http::cors::{AllowOrigin, CorsLayer};

pub use self::accept::serve as serve_on;
pub use self::listen::ListenError;
use crate::app::{App, StartError};
use crate::auth;
use crate::db::Clock;
use crate::lifecycle::{self, Lifecycle};
use crate::schema::Api;
use crate::settings::{EffectiveSms, EffectiveTransport, Settings};
use crate::transport::{self, Authenticated, Edge, Origins, Seats};
use crate::{mailbox, tasks, telemetry, upkeep, worker};

/// What this process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Serves and works.
    Both,
    /// Serves; jobs are done elsewhere.
    Server,
    /// Does jobs.
    Worker,
}

/// Why the process ended badly.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A port.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// Some other part.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The system.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The counters.
    #[error("cannot count: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
}

/// Runs until a signal says stop.
///
/// # Errors
/// [`RunError`] says what to do.
pub async fn run(mut settings: Settings, role: Role) -> Result<(), RunError> {
    for warning in settings.warnings() {
        tracing::warn!("{warning}");
    }
    // Each connection is an open file, and the usual limit of 1,024 was meant for other programs.
    rlimit::increase_nofile_limit(u64::MAX).ok();
    // Ports first: a taken one must not leave a migrated database behind.
    let metrics_listener = listen::metrics(&settings).await?;
    let listener = match role {
        Role::Worker => None,
        Role::Both | Role::Server => {
            let listener = listen::main(&settings).await?;
            // With PORT=0 the system chose; what is printed and signed must name the real one.
            settings.server.port = listener.local_addr()?.port();
            Some(listener)
        }
    };
    settings.server.metrics_port = metrics_listener.local_addr()?.port();
    let counters = telemetry::metrics::init()?;
    let (app, bus_driver) = App::start(settings, Clock::default()).await?;
    let lifecycle = Lifecycle::default();
    lifecycle.listen_for_signals()?;

    tokio::spawn(bus_driver.run(lifecycle.ended.clone()));
    tokio::spawn(
        app.feed
            .clone()
            .run(app.bus.clone(), lifecycle.ended.clone()),
    );
    tokio::spawn(
        app.revocations
            .clone()
            .run(app.bus.clone(), lifecycle.ended.clone()),
    );
    tokio::spawn(check_mail(app.clone()));
    let numbers = Router::new()
        .route("/metrics", get(move || async move { counters.render() }))
        // For supervisors: this port is never full of clients.
        .merge(health::router(app.clone(), lifecycle.clone()));
    let numbers = guarded(&app, numbers, origins(&app));
    let (settings, ended) = (app.settings.server.clone(), lifecycle.ended.clone());
    tokio::spawn(async move { serve_on(metrics_listener, numbers, &settings, ended).await });
    if role != Role::Worker {
        auth::count_sessions(&app).await;
        tokio::spawn(auth::keep_counting_sessions(
            app.clone(),
            lifecycle.ended.clone(),
        ));
    }
    if role != Role::Server {
        for runner in worker::runners(&app) {
            lifecycle.tasks.spawn(runner.run(lifecycle.clone()));
        }
        tokio::spawn(auth::prune::run(app.clone(), lifecycle.ended.clone()));
        tokio::spawn(tasks::prune::run(app.clone(), lifecycle.ended.clone()));
        tokio::spawn(upkeep::prune::run(app.clone(), lifecycle.ended.clone()));
    }
    announce(&app, role);
    let draining = lifecycle.draining.clone();
    let began = tokio::spawn(async move {
        draining.cancelled().await;
        Instant::now()
    });
    match listener {
        Some(listener) => serve(&app, listener, &lifecycle).await,
        None => lifecycle.draining.cancelled().await,
    }
    lifecycle.draining.cancel();
    let began = began.await.unwrap_or_else(|_| Instant::now());
    let at_most = Duration::from_secs(app.settings.server.shutdown_seconds);
    lifecycle.finish(began, at_most).await;
    // On SQLite this moves the write-ahead log into the file.
    app.db.clone().close(at_most / lifecycle::LAST_WORDS).await;
    tracing::info!("stopped");
    Ok(())
}

async fn serve(app: &App, listener: TcpListener, lifecycle: &Lifecycle) {
    let settings = &app.settings.server;
    let router = router(app, lifecycle);
    let server = serve_on(listener, router, settings, lifecycle.draining.clone());
    let overdue = async {
        lifecycle.draining.cancelled().await;
        let all = Duration::from_secs(settings.shutdown_seconds);
        lifecycle::pause(all.saturating_sub(all / lifecycle::LAST_WORDS)).await;
    };
    tokio::select! { () = server => {}, () = overdue => {} }
}

/// Every route of the main port.
pub fn router(app: &App, lifecycle: &Lifecycle) -> Router {
    let edge = edge(app, lifecycle);
    let origins = edge.origins.clone();
    let cors = cors(origins.clone());
    let mut router = transport::router(edge)
        .layer(cors)
        .merge(pages::router(app))
        .merge(unsubscribe::router(app))
        .merge(callbacks::router(app))
        .merge(health::router(app.clone(), lifecycle.clone()));
    let settings = &app.settings;
    let shows_mail = settings.mail.effective_transport() == EffectiveTransport::Mailbox
        || settings.effective_sms() == EffectiveSms::Log
        || settings.effective_push().logs();
    if shows_mail && !settings.is_production() {
        router = router.merge(mailbox::router(settings.mail.mailbox_folder.clone()));
    }
    guarded(app, router, origins)
        .layer(from_fn(transport::harden))
        .layer(from_fn(transport::observe))
}

/// In development, which shows what nobody else may see, only under this server's names.
fn guarded(app: &App, router: Router, origins: Origins) -> Router {
    if app.settings.is_production() {
        return router;
    }
    router.layer(from_fn_with_state(origins, transport::check_host))
}

fn origins(app: &App) -> Origins {
    let settings = &app.settings;
    Origins::new(
        settings.server.allowed_origins.clone(),
        &settings.public_url(),
        !settings.is_production(),
    )
}

/// The edge, and the functions it is given.
fn edge(app: &App, lifecycle: &Lifecycle) -> Edge {
    let api = Api::new(app.clone());
    let limits = api.limits();
    let settings = &app.settings;
    let (tokens, ended, sessions) = (app.clone(), app.clone(), app.clone());
    Edge::new(transport::Parts {
        authenticate: Arc::new(move |token| match auth::authenticate(&tokens, token) {
            Ok(verified) => Ok(Authenticated {
                viewer: verified.viewer,
                expires_at: verified.refused_from,
            }),
            Err(error) => Err(error.to_string()),
        }),
        can_tell: Arc::new(move || ended.revocations.can_tell()),
        signed_out: Arc::new(move |viewer| Box::pin(sessions.revocations.watch(viewer))),
        execute: Arc::new(move |checked, context| api.execute(checked, context)),
        limits,
        documents: app.documents.clone(),
        limiter: app.limiter.clone(),
        origins: origins(app),
        server: settings.server.clone(),
        websocket: settings.websocket.clone(),
        lifecycle: lifecycle.clone(),
        clock: app.db.clock().clone(),
        seats: Seats::new(&settings.websocket),
    })
}

fn cors(origins: Origins) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin, _| {
            origin.to_str().is_ok_and(|origin| origins.allows(origin))
        }))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            HeaderName::from_static("x-request-id"),
            HeaderName::from_static("graphql-cost"),
            // Apollo's clients say so who they are.
            HeaderName::from_static("apollographql-client-name"),
            HeaderName::from_static("apollographql-client-version"),
        ])
        .expose_headers(
            [HeaderName::from_static("x-request-id"), header::RETRY_AFTER]
                .into_iter()
                .chain(transport::RATE_LIMIT_HEADERS.iter().cloned())
                .collect::<Vec<_>>(),
        )
        .max_age(Duration::from_hours(2))
}

/// Says at start when no mail can leave, without making a server of tasks depend on it.
async fn check_mail(app: App) {
    if let Err(reason) = app.mail.check().await {
        tracing::warn!(
            reason,
            "mail cannot leave at this moment; it waits and is tried again until it can"
        );
    }
}

fn announce(app: &App, role: Role) {
    let settings = &app.settings;
    let bus = if settings.redis.url.is_some() {
        "Redis"
    } else {
        "in process"
    };
    let mut lines = vec![
        format!("Taskflow {} is up.", env!("CARGO_PKG_VERSION")),
        String::new(),
    ];
    let mut line = |name: &str, value: &str| lines.push(format!("  {name:<10}{value}"));
    if role == Role::Worker {
        line("Role", "worker: does jobs, serves nothing");
    } else {
        let here = format!("http://localhost:{}", settings.server.port);
        line(
            "GraphQL",
            &format!("{here}/graphql  (HTTP, and WebSocket graphql-transport-ws)"),
        );
        if settings.graphiql() {
            line("GraphiQL", &format!("{here}/graphiql"));
        }
        if settings.mail.effective_transport() == EffectiveTransport::Mailbox
            && !settings.is_production()
        {
            line("Mailbox", &format!("{here}/mailbox"));
        }
        line("Health", &format!("{here}/health"));
    }
    line(
        "Metrics",
        &format!("http://localhost:{}/metrics", settings.server.metrics_port),
    );
    line("Database", app.database_in_words());
    line("Bus", bus);
    line("Mail", &app.mail.describe());
    lines.push(String::new());
    // Nobody may be reading; the log line below says the same to programs.
    writeln!(std::io::stdout(), "{}", lines.join("\n")).ok();
    tracing::info!(
        port = settings.server.port,
        database = app.database_in_words(),
        bus,
        role = ?role,
        "ready"
    );
}
