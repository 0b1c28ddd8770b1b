//! Hashing, at the real cost.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use rstest::rstest;
use serde_json::json;
use taskflow::auth::{AuthError, Fit, Passwords, Stored};
use taskflow::settings::{PasswordSettings, Settings};

use crate::support::Mode::{self, Embedded, Full};
use crate::support::{PASSWORD, TestApp};

fn settings() -> PasswordSettings {
    let folder = std::env::temp_dir();
    Settings::load(None, &BTreeMap::new(), &folder)
        .unwrap()
        .auth
        .password
}

#[tokio::test]
async fn a_hash_is_argon2id_with_the_parameters_of_the_settings() {
    let passwords = Passwords::new(&settings()).unwrap();
    let hash = passwords
        .hash("Correct-Horse-7-Battery".to_owned())
        .await
        .unwrap();
    assert!(
        hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
        "{hash}"
    );
    let again = passwords
        .hash("Correct-Horse-7-Battery".to_owned())
        .await
        .unwrap();
    assert_ne!(hash, again, "each has its salt");
    let fits = async |password: &str, hash: &str| {
        let stored = Some(hash.to_owned());
        let fit = passwords.check(password.to_owned(), stored).await;
        fit.unwrap() == Fit::Right
    };
    assert!(fits("Correct-Horse-7-Battery", &hash).await);
    assert!(!fits("correct-horse-7-battery", &hash).await);
    assert!(!fits("Correct-Horse-7-Battery", "nonsense").await);
    let dummy = "nobody has this password".to_owned();
    assert_eq!(passwords.check(dummy, None).await.unwrap(), Fit::Wrong);
    // Two were compared with a hash, and two with the dummy's.
    assert_eq!(passwords.counts(), (2, 2));
}

/// Whoever logs in may wait; whoever reads must not wait for them.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_hashes_stands_behind_the_threads_that_serve_and_leaves_those_where_they_are() {
    let passwords = Passwords::new(&settings()).unwrap();
    let nice = || {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        // Its name, which may hold anything, ends with the last bracket (proc_pid_stat(5)).
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        fields.split(' ').nth(16).unwrap().parse::<i32>().unwrap()
    };
    let here = nice();
    let behind = here.max(10);
    assert_eq!(passwords.run(nice).await.unwrap(), behind);
    assert_eq!(passwords.judge(nice).await.unwrap(), behind);
    assert_eq!(nice(), here);
}

#[test]
fn a_stored_hash_that_would_take_all_memory_or_minutes_is_refused() {
    let hex = "0".repeat(64);
    let signs = "a".repeat(53);
    for absurd in [
        "$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHRzb21l$MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI".to_owned(),
        "$argon2id$v=19$m=65536,t=1000,p=1$c29tZXNhbHRzb21l$MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI".to_owned(),
        format!("$2b$31${signs}"),
        format!("scrypt:16777216:8:1$salt${hex}"),
        format!("scrypt:16384:8:4096$salt${hex}"),
        format!("pbkdf2:sha256:4000000000$salt${hex}"),
    ] {
        assert!(Stored::parse(&absurd).is_none(), "{absurd}");
    }
    for nonsense in [
        "",
        "$",
        "$$",
        "$2b$",
        "scrypt:$$",
        "pbkdf2:md5:1$salt$00",
        "scrypt:1000:8:1$a$b",
    ] {
        assert!(Stored::parse(nonsense).is_none(), "{nonsense}");
    }
}

/// The same password, hashed by other programs: Python's `hashlib` as Werkzeug calls it, the C
/// library's `crypt`, and Argon2's own tool.
const ELSEWHERE: [&str; 6] = [
    "$2b$04$abcdefghijklmnopqrstuu3uNE9timSSOHB5x47dNvLBHxWiMV.lG",
    "$2y$04$abcdefghijklmnopqrstuu3uNE9timSSOHB5x47dNvLBHxWiMV.lG",
    "scrypt:1024:8:1$Zk3sPqW1xY7tVbNm$399a6d8d2ef4c59ea36e7e66954d0a327b70a25b3b2f757fa2be790c419616ad810c15d788f72922488e052549dde86fc130f19ae31d0ce1a41d195ca03609ce",
    "pbkdf2:sha256:1000$aB3dE5fG$096033916402635b304fde6268e3367d97c946524476c6bb38900ead0e906256",
    "pbkdf2:sha512:1000$aB3dE5fG$9cf1be35e84375cedbbcbb7bf86b21d727f199d4d5107588649e961cd2e578e86063b02d626995d7f90f4f18753960bcaf2643c14464bdb7fd892ce0eeaffa80",
    "pbkdf2:sha1:1000$aB3dE5fG$f5efdae7a79095dbb2923408cb1c6204494e562c",
];

#[rstest]
#[tokio::test]
async fn a_hash_of_another_system_lets_its_owner_in_and_is_replaced(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let weak_argon2 = {
        // Weaker than what the tests make, which is the weakest there is but for the passes.
        let mut weak = settings();
        (weak.argon2_memory_kib, weak.argon2_iterations) = (8, 1);
        let weak = Passwords::new(&weak).unwrap();
        let hash = weak.hash(PASSWORD.to_owned()).await.unwrap();
        hash.replace("argon2id", "argon2i")
    };
    // An Argon2i hash of another salt is not the same: this one must not fit.
    let elsewhere = ELSEWHERE.map(|hash| (hash.to_owned(), true));
    for (hash, fits) in elsewhere.into_iter().chain([(weak_argon2, false)]) {
        let ada = app.person("ada").await;
        app.execute(&format!("UPDATE users SET password_hash = '{hash}'"))
            .await;
        let login = async |password: &str| {
            let query = "mutation($input: LoginInput!) { login(input: $input) { accessToken } }";
            let input = json!({"identifier": "ada", "password": password});
            let reply = app.anybody().graphql(query, json!({"input": input})).await;
            reply.data()["login"]["accessToken"].is_string()
        };
        assert!(!login("Correct-Horse-7-Batterz").await, "{hash}");
        assert_eq!(login(PASSWORD).await, fits, "{hash}");
        let ours = "SELECT count(*) FROM users WHERE password_hash LIKE '$argon2id$%'";
        assert_eq!(app.number(ours).await, i64::from(fits), "{hash}");
        // Nobody was signed out by it, and the new one is as good.
        ada.graphql("{ viewer { user { id } } }", json!({}))
            .await
            .data();
        assert_eq!(login(PASSWORD).await, fits);
        for table in ["sessions", "users"] {
            app.execute(&format!("DELETE FROM {table}")).await;
        }
    }
}

#[tokio::test]
async fn a_hash_weaker_than_todays_is_made_anew_and_a_stronger_one_stays() {
    let with = |memory, passes| {
        let mut settings = settings();
        (settings.argon2_memory_kib, settings.argon2_iterations) = (memory, passes);
        Passwords::new(&settings).unwrap()
    };
    let today = with(64, 2);
    for (memory, passes, stays) in [
        (64, 2, true),
        (128, 3, true),
        (32, 2, false),
        (64, 1, false),
    ] {
        let hash = with(memory, passes)
            .hash(PASSWORD.to_owned())
            .await
            .unwrap();
        match today.check(PASSWORD.to_owned(), Some(hash)).await.unwrap() {
            Fit::Right => assert!(stays, "m={memory} t={passes}"),
            Fit::Weak(better) => {
                assert!(!stays, "m={memory} t={passes}");
                assert!(
                    better.starts_with("$argon2id$v=19$m=64,t=2,p=1$"),
                    "{better}"
                );
            }
            Fit::Wrong => panic!("m={memory} t={passes}"),
        }
    }
}

#[tokio::test]
async fn a_storm_of_logins_is_cut_off_and_tells_when_to_come_back() {
    let mut settings = settings();
    settings.hash_queue = 4;
    // However slow this machine is, the four get their turn.
    settings.hash_wait_ms = 60_000;
    settings.hash_memory_budget_mib = 19;
    let passwords = Passwords::new(&settings).unwrap();
    let storm = join_all((0..100).map(|_| passwords.hash("x".to_owned()))).await;
    let (done, busy): (Vec<_>, Vec<_>) = storm.into_iter().partition(Result::is_ok);
    // One at work and four in the queue; the rest is told at once.
    assert_eq!(done.len(), 5);
    assert!(busy.iter().all(|result| matches!(
        result,
        Err(AuthError::Busy { retry_after }) if !retry_after.is_zero()
    )));
    // Afterwards there is room again.
    passwords.hash("x".to_owned()).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn three_hundred_logins_at_once_hash_no_more_than_is_allowed_and_reads_go_on(
    #[values(Embedded, Full)] mode: Mode,
) {
    let patient = [
        ("TASKFLOW_AUTH__PASSWORD__HASH_QUEUE", "300"),
        ("TASKFLOW_AUTH__PASSWORD__HASH_WAIT_MS", "600000"),
    ];
    let app = TestApp::with(mode, &patient).await;
    let ada = app.person("ada").await;
    let passwords = &app.app.passwords;
    // Every place is taken, so no login comes further than the queue.
    let holds = app.hold_hashes().await;
    let anybody = app.anybody();
    let storm = tokio::spawn(async move {
        let query =
            "mutation($input: LoginInput!) { login(input: $input) { userErrors { code } } }";
        let login = |number: usize| {
            let input = json!({"identifier": format!("somebody{number}"), "password": PASSWORD});
            let anybody = anybody.clone();
            async move { anybody.graphql(query, json!({"input": input})).await }
        };
        join_all((0..300).map(login)).await
    });
    for _ in 0..20 {
        ada.graphql("{ tasks { totalCount } }", json!({}))
            .await
            .data();
    }
    assert!(
        !storm.is_finished(),
        "the reads did not wait for the logins"
    );
    drop(holds);
    for reply in storm.await.unwrap() {
        assert_eq!(reply.user_error("login").0, "WRONG_CREDENTIALS");
    }
    let (most, allowed) = passwords.most_at_once();
    assert!(most <= allowed, "{most} at once");
    // Each of them, and Ada's own when she registered.
    assert_eq!(passwords.counts().1, 300);
}

#[rstest]
#[tokio::test]
async fn whoever_asks_how_good_a_password_is_keeps_nobody_from_logging_in(
    #[values(Embedded, Full)] mode: Mode,
) {
    let app = TestApp::start(mode).await;
    let holds = app.hold_hashes().await;
    // Answered while no password can be hashed: it has no part in those places.
    let query = "{ passwordPolicy { strength(password: \"4@8({[<369&#!1/|0$5+72%\") { score } } }";
    let reply = app.anybody().graphql(query, json!({})).await;
    assert!(reply.data()["passwordPolicy"]["strength"]["score"].is_u64());
    drop(holds);
}
