//! Access tokens that are not good.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::Mode::{self, Embedded, Full};
use crate::support::{Person, TestApp};

/// The two halves of a token that are JSON.
fn parts(token: &str) -> (Value, Value) {
    let json = |part: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    let mut parts = token.split('.');
    (json(parts.next().unwrap()), json(parts.next().unwrap()))
}

/// A token signed with the server's own key.
fn signed(app: &TestApp, header: &Header, claims: &Value) -> String {
    let pem = std::fs::read(app.folder.path().join("key.pem")).unwrap();
    encode(header, claims, &EncodingKey::from_ed_pem(&pem).unwrap()).unwrap()
}

fn unsigned(header: &Value, claims: &Value, signature: &[u8]) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!(
        "{}.{}.{}",
        part(header),
        part(claims),
        URL_SAFE_NO_PAD.encode(signature)
    )
}

async fn refused(person: &Person, token: &str, what: &str) {
    let reply = person
        .with_token(token)
        .graphql("{ viewer { user { id } } }", json!({}))
        .await;
    assert_eq!(reply.code(), "UNAUTHENTICATED", "{what}: {:#}", reply.body);
}

#[rstest]
#[tokio::test]
async fn no_forged_token_is_taken(#[values(Embedded, Full)] mode: Mode) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    let good = ada.token.clone().unwrap();
    let (header, claims) = parts(&good);
    let typed = |header: &Value| serde_json::from_value::<Header>(header.clone()).unwrap();
    // The helper signs well: what is refused below is refused for what was changed.
    let same = signed(&app, &typed(&header), &claims);
    ada.with_token(&same)
        .graphql("{ viewer { user { id } } }", json!({}))
        .await
        .data();

    let with = |value: &Value, key: &str, new: Value| {
        let mut value = value.clone();
        value[key] = new;
        value
    };
    let without = |value: &Value, key: &str| {
        let mut value = value.clone();
        value.as_object_mut().unwrap().remove(key);
        value
    };

    refused(
        &ada,
        &unsigned(&with(&header, "alg", json!("none")), &claims, b""),
        "alg none",
    )
    .await;
    let jwks = app.anybody().get("/.well-known/jwks.json").await.body;
    let public = URL_SAFE_NO_PAD
        .decode(jwks["keys"][0]["x"].as_str().unwrap())
        .unwrap();
    let mut hs256 = typed(&header);
    hs256.alg = Algorithm::HS256;
    let mixed = encode(&hs256, &claims, &EncodingKey::from_secret(&public)).unwrap();
    refused(&ada, &mixed, "HS256 with the public key").await;
    let mut last = good.clone().into_bytes();
    let end = last.len() - 4;
    last[end] = if last[end] == b'A' { b'B' } else { b'A' };
    refused(
        &ada,
        std::str::from_utf8(&last).unwrap(),
        "a changed signature",
    )
    .await;

    for (key, value) in [
        ("kid", json!("other")),
        ("typ", json!("JWT")),
        ("typ", Value::Null),
    ] {
        let changed = with(&header, key, value);
        refused(&ada, &signed(&app, &typed(&changed), &claims), key).await;
    }
    let elsewhere = with(&header, "jku", json!("https://evil.example/jwks.json"));
    let elsewhere = with(&elsewhere, "kid", json!("evil"));
    refused(&ada, &signed(&app, &typed(&elsewhere), &claims), "jku").await;

    for (key, value) in [
        ("iss", json!("https://evil.example")),
        ("aud", json!("other")),
        ("exp", json!("99999999999")),
        ("exp", json!(1)),
        ("nbf", json!(99_999_999_999_i64)),
        ("sub", json!("not a uuid")),
    ] {
        let token = signed(&app, &typed(&header), &with(&claims, key, value.clone()));
        refused(&ada, &token, &format!("{key} {value}")).await;
    }
    for key in ["iss", "aud", "sub", "exp", "nbf", "sid"] {
        let token = signed(&app, &typed(&header), &without(&claims, key));
        refused(&ada, &token, &format!("no {key}")).await;
    }
    for nonsense in ["", "x", "a.b.c", &ada.refresh_token] {
        refused(&ada, nonsense, "nonsense").await;
    }
}

#[tokio::test]
async fn a_token_ends_after_fifteen_minutes_and_is_renewed() {
    let app = TestApp::start(Embedded).await;
    let ada = app.person("ada").await;
    let viewer = "{ viewer { user { id } } }";
    app.clock.advance(TimeDelta::minutes(15));
    ada.graphql(viewer, json!({})).await.data();
    // 30 seconds of leeway, for clocks that differ.
    app.clock.advance(TimeDelta::seconds(31));
    assert_eq!(
        ada.graphql(viewer, json!({})).await.code(),
        "UNAUTHENTICATED"
    );
    // With the dead token in its header, the client can still renew.
    let renew = format!(
        "mutation {{ refreshToken(input: {{refreshToken: \"{}\"}}) {{ accessToken }} }}",
        ada.refresh_token
    );
    let reply = ada.graphql(&renew, json!({})).await;
    let token = reply.data()["refreshToken"]["accessToken"]
        .as_str()
        .unwrap()
        .to_owned();
    ada.with_token(&token)
        .graphql(viewer, json!({}))
        .await
        .data();
}

#[tokio::test]
async fn anyone_can_check_a_token_with_the_public_key() {
    let app = TestApp::start(Embedded).await;
    let ada = app.person("ada").await;
    let jwks = app.anybody().get("/.well-known/jwks.json").await.body;
    let key = &jwks["keys"][0];
    assert_eq!(
        (&key["kty"], &key["crv"], &key["use"]),
        (&json!("OKP"), &json!("Ed25519"), &json!("sig"))
    );
    assert!(key.get("d").is_none(), "the private half is not published");
    let (header, _) = parts(ada.token.as_deref().unwrap());
    assert_eq!(header["kid"], key["kid"]);
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_audience(&["taskflow"]);
    let checked = decode::<Value>(
        ada.token.as_deref().unwrap(),
        &DecodingKey::from_ed_components(key["x"].as_str().unwrap()).unwrap(),
        &validation,
    );
    let claims = checked.unwrap().claims;
    assert_eq!(claims["roles"], json!([]));
    assert_eq!(
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
        900
    );
}

#[rstest]
#[tokio::test]
async fn a_good_token_of_somebody_who_is_not_in_the_database_is_told_so(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let ada = app.person("ada").await;
    for table in ["sessions", "users"] {
        app.execute(&format!("DELETE FROM {table}")).await;
    }
    let reply = ada.graphql("{ viewer { user { id } } }", json!({})).await;
    assert_eq!(reply.code(), "UNAUTHENTICATED");
    for key in [Value::Null, json!("key")] {
        let reply = ada
            .graphql(
                "mutation($key: String) { createTask(input: {title: \"x\", idempotencyKey: $key}) { task { id } } }",
                json!({"key": key}),
            )
            .await;
        assert_eq!(reply.code(), "UNAUTHENTICATED");
    }
}

/// A key file at a place of its own, and its public half as `public.pem`.
fn key_file(app: &TestApp, name: &str) -> String {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let path = |name: &str| app.folder.path().join(name);
    std::fs::write(path(name), key.serialize_pem()).unwrap();
    std::fs::write(path("public.pem"), key.public_key_pem()).unwrap();
    path(name).display().to_string()
}

#[rstest]
#[tokio::test]
async fn a_key_is_changed_without_anybody_being_signed_out(#[values(Full)] mode: Mode) {
    let before = TestApp::start(mode).await;
    let ada = before.person("ada").await;
    let (old, new) = (
        before.folder.path().join("key.pem").display().to_string(),
        key_file(&before, "new.pem"),
    );
    let viewer = "{ viewer { user { id } } }";
    let taken = async |app: &TestApp, person: &Person| {
        let reply = person.at(&app.router).graphql(viewer, json!({})).await;
        reply.body.get("errors").is_none()
    };
    let keys = async |app: &TestApp| {
        let jwks = app.anybody().get("/.well-known/jwks.json").await.body;
        jwks["keys"].as_array().unwrap().len()
    };
    let replica = async |signs: &str, others: &str| {
        let keys = [
            ("JWT_PRIVATE_KEY_FILE", signs),
            ("TASKFLOW_AUTH__JWT_OTHER_KEY_FILES", others),
        ];
        before.replica_with(&keys).await
    };
    // First every replica takes the new key, then every replica signs with it.
    let knows = replica(&old, &new).await;
    let signs = replica(&new, &old).await;
    let bob = signs.person("bob").await;
    for app in [&knows, &signs] {
        assert_eq!(keys(app).await, 2);
        assert!(taken(app, &ada).await && taken(app, &bob).await);
    }
    // When the tokens of the old key are over, it can go.
    let after = replica(&new, "").await;
    assert!(taken(&after, &bob).await && !taken(&after, &ada).await);
    assert_eq!(keys(&after).await, 1);
    // One that does not know the new key does not take it.
    assert!(!taken(&before, &bob).await);
    // A public key is enough to check.
    let public = before.folder.path().join("public.pem");
    let checks = replica(&old, &public.display().to_string()).await;
    assert!(taken(&checks, &bob).await);
}

#[tokio::test]
async fn a_shared_secret_signs_only_when_it_is_set_and_takes_nothing_else() {
    let app = TestApp::start(Embedded).await;
    let ada = app.person("ada").await;
    let secret = "0123456789abcdef0123456789abcdef";
    let shared = TestApp::with(Embedded, &[("JWT_SECRET", secret)]).await;
    let bob = shared.person("bob").await;
    let (header, claims) = parts(bob.token.as_deref().unwrap());
    assert_eq!(header["alg"], "HS256");
    let jwks = shared.anybody().get("/.well-known/jwks.json").await.body;
    assert_eq!(jwks, json!({"keys": []}));
    refused(&shared.anybody(), ada.token.as_deref().unwrap(), "EdDSA").await;
    refused(&app.anybody(), bob.token.as_deref().unwrap(), "HS256").await;
    // The name of the secret's key with another algorithm, and another secret.
    let pem = std::fs::read(app.folder.path().join("key.pem")).unwrap();
    let mut forged: Header = serde_json::from_value(header.clone()).unwrap();
    forged.alg = Algorithm::EdDSA;
    let token = encode(&forged, &claims, &EncodingKey::from_ed_pem(&pem).unwrap()).unwrap();
    refused(
        &shared.anybody(),
        &token,
        "EdDSA under the name of the secret",
    )
    .await;
    let typed: Header = serde_json::from_value(header).unwrap();
    let other = EncodingKey::from_secret(b"another secret of thirty-two byt");
    let token = encode(&typed, &claims, &other).unwrap();
    refused(&shared.anybody(), &token, "another secret").await;
    // The right one is taken: what is refused above is refused for what was changed.
    let right = EncodingKey::from_secret(secret.as_bytes());
    let token = encode(&typed, &claims, &right).unwrap();
    bob.with_token(&token)
        .graphql("{ viewer { user { id } } }", json!({}))
        .await
        .data();
}

#[tokio::test]
async fn a_key_file_that_is_none_stops_the_start_with_its_name() {
    let app = TestApp::start(Embedded).await;
    let p256 = rcgen::KeyPair::generate().unwrap().serialize_pem();
    let path = app.folder.path().join("other.pem");
    for content in [b"nonsense".to_vec(), p256.into_bytes(), Vec::new()] {
        std::fs::write(&path, content).unwrap();
        for name in ["JWT_PRIVATE_KEY_FILE", "TASKFLOW_AUTH__JWT_OTHER_KEY_FILES"] {
            let folder = tempfile::tempdir().unwrap();
            let url = format!("sqlite://{}", folder.path().join("x.db").display());
            let key = folder.path().join("key.pem").display().to_string();
            let mut env: std::collections::BTreeMap<_, _> = [
                ("DATABASE_URL".to_owned(), url),
                ("JWT_PRIVATE_KEY_FILE".to_owned(), key),
            ]
            .into();
            env.insert(name.to_owned(), path.display().to_string());
            let settings = taskflow::settings::Settings::load(None, &env, folder.path()).unwrap();
            let clock = taskflow::db::Clock::default();
            let started = taskflow::app::App::start(settings, clock).await;
            let told = started.err().unwrap().to_string();
            assert!(
                told.contains("other.pem") && told.contains("Ed25519"),
                "{told}"
            );
        }
    }
}
