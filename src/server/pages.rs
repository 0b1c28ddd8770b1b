//! What is served beside the API: `GraphiQL`, the page of the links in mails, the schema, the public
//! keys.

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Json, Router};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::app::App;
use crate::schema;

/// The built page; see `web/graphiql/README.md`.
#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/web/graphiql/dist"]
struct Graphiql;

/// The page behind the links of mails about accounts.
#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/web/account"]
struct Account;

/// A stranger's script on this page could read the token of a link, so nothing but its own files is
/// let in, and it can send to nobody but us.
const ACCOUNT_CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

/// What GraphiQL needs and no more: its own scripts and workers, and the style elements that the
/// editor makes while it runs.
const GRAPHIQL_CSP: &str = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    worker-src 'self'; font-src 'self'; img-src 'self' data:; connect-src 'self'; object-src 'none'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What stands at the root where there is no page for people.
const ROOT: &str = "This is a Taskflow server. Its API is at /graphql.\n";

pub fn router(app: &App) -> Router {
    let mut router = Router::new()
        .route("/.well-known/jwks.json", get(public_keys))
        .route("/account", get(async || account("index.html")))
        .route(
            "/account/{name}",
            get(async |Path(name): Path<String>| account(&name)),
        );
    if app.settings.introspection() {
        router = router.route(
            "/schema.graphql",
            get(async || text("text/plain; charset=utf-8", schema::sdl())),
        );
    }
    if app.settings.graphiql() {
        router = router
            .route("/graphiql", get(graphiql))
            .route("/graphiql/assets/{name}", get(asset))
            .route("/", get(async || Redirect::temporary("/graphiql")));
    } else {
        // The mails link here.
        let page = async || text("text/plain; charset=utf-8", ROOT.to_owned());
        router = router.route("/", get(page));
    }
    router.with_state(app.clone())
}

async fn public_keys(State(app): State<App>) -> Response {
    let mut response = Json(app.tokens.public_keys()).into_response();
    let minutes = header::HeaderValue::from_static("public, max-age=300");
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, minutes);
    response
}

async fn graphiql() -> Response {
    match Graphiql::get("index.html") {
        Some(page) => file(page, "no-cache", GRAPHIQL_CSP),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn asset(Path(name): Path<String>) -> Response {
    let plain = !name.contains(['/', '\\']);
    match Graphiql::get(&format!("assets/{name}")).filter(|_| plain) {
        // The names carry a hash of what is inside.
        Some(asset) => file(asset, "public, max-age=31536000, immutable", GRAPHIQL_CSP),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// The names do not change with what is inside, so a browser has to ask.
fn account(name: &str) -> Response {
    match Account::get(name) {
        Some(part) => file(part, "no-cache", ACCOUNT_CSP),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn file(file: EmbeddedFile, caching: &'static str, csp: &'static str) -> Response {
    let media = file.metadata.mimetype().to_owned();
    let headers = [
        (header::CONTENT_TYPE, media),
        (header::CACHE_CONTROL, caching.to_owned()),
        (header::CONTENT_SECURITY_POLICY, csp.to_owned()),
    ];
    (headers, file.data).into_response()
}

fn text(media: &'static str, body: String) -> Response {
    ([(header::CONTENT_TYPE, media)], body).into_response()
}
