//! The vendors that are called by HTTP: which is chosen, and what it needs.

use secrecy::ExposeSecret;

use super::{EffectiveSms, EffectiveTransport, Place, READY, load, refused};

#[test]
fn vendors_of_mail_are_decided_and_need_their_keys() {
    let sendgrid = ("TASKFLOW_MAIL__TRANSPORT", "sendgrid");
    let ses = ("TASKFLOW_MAIL__TRANSPORT", "ses");
    assert!(refused(&[sendgrid])[0].contains("set mail.sendgrid.api_key"));
    assert!(refused(&[ses])[0].contains("mail.ses.region"));
    let key = ("TASKFLOW_MAIL__SENDGRID__API_KEY", "hunter2");
    let settings = load(&[sendgrid, key]);
    assert_eq!(
        settings.mail.effective_transport(),
        EffectiveTransport::Sendgrid
    );
    let keys = [
        ses,
        ("TASKFLOW_MAIL__SES__REGION", "eu-west-1"),
        ("TASKFLOW_MAIL__SES__ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("TASKFLOW_MAIL__SES__SECRET_ACCESS_KEY", "hunter2"),
        ("TASKFLOW_MAIL__SES__SESSION_TOKEN", "hunter2"),
    ];
    let settings = load(&keys);
    assert_eq!(settings.mail.effective_transport(), EffectiveTransport::Ses);
    let shown = format!("{settings:?}{}", settings.print());
    assert!(!shown.contains("hunter2"), "{shown}");
    // Keys alone change nothing.
    let settings = load(&[key]);
    assert_eq!(
        settings.mail.effective_transport(),
        EffectiveTransport::Mailbox
    );
    let from_file = Place::new(&[sendgrid, ("TASKFLOW_MAIL__SENDGRID__API_KEY_FILE", "key")])
        .file("key", "SG.x\n");
    let found = from_file.load().unwrap().mail.sendgrid.api_key.unwrap();
    assert_eq!(found.expose_secret(), "SG.x");
    let plain = (
        "TASKFLOW_MAIL__SENDGRID__ENDPOINT",
        "http://sendgrid.example",
    );
    assert!(refused(&[plain])[0].contains("must begin with https://"));
}

#[test]
fn production_takes_a_vendor_of_mail() {
    for (name, value) in [
        ("TASKFLOW_MAIL__SENDGRID__API_KEY", "x"),
        ("TASKFLOW_MAIL__TRANSPORT", "sendgrid"),
    ] {
        let mut env = READY.to_vec();
        env.retain(|(known, _)| *known != "TASKFLOW_MAIL__TRANSPORT");
        env.push((name, value));
        // The key without the choice, and the choice without the key.
        assert_eq!(refused(&env).len(), 1);
    }
    let mut env = READY.to_vec();
    env.retain(|(known, _)| *known != "TASKFLOW_MAIL__TRANSPORT");
    env.push(("TASKFLOW_MAIL__SENDGRID__API_KEY", "x"));
    env.push(("TASKFLOW_MAIL__TRANSPORT", "sendgrid"));
    assert!(load(&env).sends_mail());
}

#[test]
fn the_way_of_text_messages_is_decided() {
    let account = ("TASKFLOW_SMS__TWILIO__ACCOUNT_SID", "AC1");
    let token = ("TASKFLOW_SMS__TWILIO__AUTH_TOKEN", "hunter2");
    let from = ("TASKFLOW_SMS__FROM", "+15005550006");
    let aws = [
        ("TASKFLOW_SMS__SNS__REGION", "eu-west-1"),
        ("TASKFLOW_SMS__SNS__ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("TASKFLOW_SMS__SNS__SECRET_ACCESS_KEY", "hunter2"),
    ];
    assert_eq!(load(&[]).effective_sms(), EffectiveSms::Log);
    assert_eq!(load(&READY).effective_sms(), EffectiveSms::None);
    let twilio = load(&[account, token, from, aws[0], aws[1], aws[2]]);
    assert_eq!(twilio.effective_sms(), EffectiveSms::Twilio);
    assert!(!format!("{twilio:?}{}", twilio.print()).contains("hunter2"));
    assert_eq!(load(&aws).effective_sms(), EffectiveSms::Sns);
    let found = refused(&[account]);
    assert_eq!(found.len(), 2);
    assert!(found[0].contains("sms.twilio.auth_token"), "{found:?}");
    assert!(found[1].contains("needs a sender"), "{found:?}");
    assert!(refused(&[aws[0]])[0].contains("sms.sns.access_key_id"));
    assert!(refused(&[("TASKFLOW_SMS__FROM", "0049151")])[0].contains("+15005550006"));
}

#[test]
fn networks_are_read_and_all_addresses_are_none() {
    let allow = "TASKFLOW_OUTBOUND__ALLOW_NETWORKS";
    let settings = load(&[(allow, "10.1.0.0/16, fd00::/8")]);
    let networks = settings.outbound.allow_networks.iter();
    let networks: Vec<String> = networks.map(ToString::to_string).collect();
    assert_eq!(networks, ["10.1.0.0/16", "fd00::/8"]);
    assert!(refused(&[(allow, "10.1.0.0")])[0].contains("allow_networks"));
    assert!(refused(&[(allow, "0.0.0.0/0")])[0].contains("name the networks"));
    let lease = ("TASKFLOW_OUTBOUND__TIMEOUT_SECONDS", "60");
    assert!(refused(&[lease])[0].contains("outbound.timeout_seconds"));
}
