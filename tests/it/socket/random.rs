//! Whatever a client sends, it is answered by the rules and hurts nobody.

use std::net::SocketAddr;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use super::frames::{Raw, frame, text};
use super::{TYPENAME, anonymous, init, token};
use crate::support::Mode::Embedded;
use crate::support::TestApp;

const CASES: u32 = 200;

const ALLOWED: [u16; 9] = [1013, 4008, 4400, 4401, 4403, 4408, 4409, 4429, 1000];

/// Something to send, and whether it may leave the server waiting for the rest.
type Bytes = (Vec<u8>, bool);

fn json_values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((".{0,8}", inner), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

fn good_messages() -> impl Strategy<Value = Value> {
    let id = "[0-9]{1,2}";
    let documents = prop_oneof![
        Just(TYPENAME.to_owned()),
        Just("{ viewer { user { id } } }".to_owned()),
        Just("subscription { taskAssigned { cursor } }".to_owned()),
        // Not `logout`: it would end the session that the next cases come with.
        Just("mutation { revokeOtherSessions { userErrors { code } } }".to_owned()),
        "[{}a-z( ]{0,30}",
    ];
    prop_oneof![
        Just(json!({"type": "connection_init"})),
        Just(json!({"type": "connection_init", "payload": {"Authorization": "Bearer x"}})),
        json_values().prop_map(|payload| json!({"type": "ping", "payload": payload})),
        Just(json!({"type": "pong"})),
        id.prop_map(|id| json!({"type": "complete", "id": id})),
        (id, documents, json_values()).prop_map(|(id, query, variables)| {
            let payload = json!({"query": query, "variables": {"a": variables}});
            json!({"type": "subscribe", "id": id, "payload": payload})
        }),
    ]
}

/// A good message of which one part is something else.
fn bent_messages() -> impl Strategy<Value = Value> {
    let key = prop_oneof![Just("type"), Just("id"), Just("payload"), Just("other")];
    (good_messages(), key, json_values()).prop_map(|(mut message, key, value)| {
        message[key] = value;
        message
    })
}

fn things_to_send() -> impl Strategy<Value = Bytes> {
    let whole = |message: Value| (text(&message.to_string()), false);
    let bytes = || vec(any::<u8>(), 0..200);
    prop_oneof![
        4 => good_messages().prop_map(whole),
        3 => bent_messages().prop_map(whole),
        2 => json_values().prop_map(whole),
        // A message that is cut off, or has something else in it.
        2 => (good_messages(), any::<usize>(), any::<u8>()).prop_map(|(message, at, byte)| {
            let mut bytes = message.to_string().into_bytes();
            let at = at % bytes.len();
            bytes[at] = byte;
            (frame(0x81, &bytes), false)
        }),
        // Frames of all kinds; those without an end leave the server waiting.
        3 => (any::<u8>(), bytes()).prop_map(|(first, bytes)| (frame(first, &bytes), true)),
        1 => bytes().prop_map(|bytes| (bytes, true)),
    ]
}

#[tokio::test]
async fn whatever_is_sent_is_answered_by_the_protocol_and_hurts_nobody() {
    let app = TestApp::start(Embedded).await;
    let (bob, address) = (app.person("bob").await, app.listen().await);
    let mut witness = anonymous(address).await;
    let mut runner = TestRunner::new(Config::default());
    let cases = (any::<bool>(), vec(things_to_send(), 1..8));
    for _ in 0..CASES {
        let case = cases.new_tree(&mut runner).unwrap().current();
        let (signed_in, messages) = &case;
        let said = converse(address, signed_in.then(|| init(token(&bob))), messages).await;
        if let Err(what) = said {
            panic!("{what}, after {case:?}");
        }
    }
    witness.is_silent().await;
    witness.runs("1", TYPENAME, json!({})).await;
}

/// Sends all of it and reads to the end.
async fn converse(
    address: SocketAddr,
    init: Option<Value>,
    messages: &[Bytes],
) -> Result<(), String> {
    let mut raw = match &init {
        Some(init) => Raw::acknowledged(address, init).await,
        None => Raw::open(address).await,
    };
    let mut may_wait = false;
    for (bytes, waits) in messages {
        raw.send(bytes).await;
        may_wait |= waits;
    }
    // If it all was good so far, this is heard, and closed with the same code.
    raw.send(&frame(0x88, &1000_u16.to_be_bytes())).await;
    raw.finish().await;
    while let Some(frame) = raw.frame().await {
        match frame.first {
            0x88 => {
                let code = frame.payload.get(..2).map(|code| [code[0], code[1]]);
                let code = code.map(u16::from_be_bytes);
                // One that the client made up is repeated.
                let repeated = may_wait && code.is_none_or(|code| code >= 1000);
                let forbidden = code.is_some_and(|code| [1002, 1007, 1009, 1011].contains(&code));
                return if code.is_some_and(|code| ALLOWED.contains(&code))
                    || (repeated && !forbidden)
                {
                    Ok(())
                } else {
                    Err(format!("closed with {code:?}"))
                };
            }
            // A pong, or a ping.
            0x8A | 0x89 => {}
            0x81 => {
                let message: Value = serde_json::from_slice(&frame.payload)
                    .map_err(|error| format!("said what is no JSON: {error}"))?;
                let known = ["connection_ack", "pong", "next", "error", "complete"];
                if !known.iter().any(|kind| message["type"] == *kind) {
                    return Err(format!("said {message}"));
                }
            }
            other => return Err(format!("sent a frame of the kind {other:#x}")),
        }
    }
    // Without a word only when the client was in the middle of a frame, or closed with a code that
    // nobody may send.
    if may_wait {
        Ok(())
    } else {
        Err("ended without a word".to_owned())
    }
}
