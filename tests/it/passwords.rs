//! Hashing, at the real cost.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use taskflow::auth::{AuthError, Passwords};
use taskflow::settings::{PasswordSettings, Settings};

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
        passwords
            .verify(password.to_owned(), Some(hash.to_owned()))
            .await
            .unwrap()
    };
    assert!(fits("Correct-Horse-7-Battery", &hash).await);
    assert!(!fits("correct-horse-7-battery", &hash).await);
    assert!(!fits("Correct-Horse-7-Battery", "nonsense").await);
    assert!(
        !passwords
            .verify("nobody has this password".to_owned(), None)
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn a_stored_hash_that_would_take_all_memory_is_refused() {
    let passwords = Passwords::new(&settings()).unwrap();
    let hash = "$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHRzb21l$MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI".to_owned();
    assert!(!passwords.verify("x".to_owned(), Some(hash)).await.unwrap());
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
