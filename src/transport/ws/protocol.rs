//! The messages of the protocol and its close codes.

use async_graphql::{Response, ServerError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::graphql::guard::Params;

/// The longest id of an operation. Clients use numbers or UUIDs.
const MAX_ID_BYTES: usize = 128;

/// What a client says. As in the reference implementation, a payload is an object or null or left
/// out, and keys that nobody knows are no mistake.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientMessage {
    /// Begins; carries the token.
    ConnectionInit {
        /// Whatever the client wants to say of itself.
        #[serde(default)]
        payload: Option<Map<String, Value>>,
    },
    /// Asks for a sign of life.
    Ping {
        /// To be sent back.
        #[serde(default)]
        payload: Option<Map<String, Value>>,
    },
    /// Gives a sign of life.
    Pong {
        /// Whatever it is, it has to be an object.
        #[serde(default)]
        #[expect(dead_code, reason = "read for its type only")]
        payload: Option<Map<String, Value>>,
    },
    /// Begins an operation.
    Subscribe {
        /// What the client calls it.
        id: String,
        /// The operation.
        payload: Map<String, Value>,
    },
    /// Ends an operation.
    Complete {
        /// What the client calls it.
        id: String,
    },
}

impl ClientMessage {
    /// Reads a message.
    ///
    /// # Errors
    /// [`Close::BadMessage`].
    pub fn read(text: &str) -> Result<Self, Close> {
        // By way of an object: serde would take an array of the fields in their order, too.
        let object: Map<_, _> = serde_json::from_str(text).map_err(|_| Close::BadMessage)?;
        let message = from_object(object)?;
        match &message {
            Self::Subscribe { id, .. } | Self::Complete { id }
                if id.is_empty() || id.len() > MAX_ID_BYTES =>
            {
                Err(Close::BadMessage)
            }
            _ => Ok(message),
        }
    }
}

/// What the payload of a `subscribe` asks for.
///
/// # Errors
/// [`Close::BadMessage`].
pub fn params(payload: Map<String, Value>) -> Result<Params, Close> {
    from_object(payload).and_then(|params: Params| {
        let names_one = params.has_document();
        names_one.then_some(params).ok_or(Close::BadMessage)
    })
}

fn from_object<T: DeserializeOwned>(object: Map<String, Value>) -> Result<T, Close> {
    serde_json::from_value(Value::Object(object)).map_err(|_| Close::BadMessage)
}

/// What the server says. Written straight from the answer: a detour through a JSON value would sort
/// the keys, and they have the order of the selection.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage<'a> {
    /// The connection is good.
    ConnectionAck,
    /// The answer to a ping.
    Pong {
        /// What came with the ping.
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<Map<String, Value>>,
    },
    /// One answer of an operation.
    Next {
        /// What the client calls it.
        id: &'a str,
        /// The answer.
        payload: &'a Response,
    },
    /// The operation did not run.
    Error {
        /// What the client calls it.
        id: &'a str,
        /// Why.
        payload: &'a [ServerError],
    },
    /// The operation is over.
    Complete {
        /// What the client calls it.
        id: &'a str,
    },
}

/// Why a socket is closed, as the protocol numbers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Close {
    /// 1012: this server stops; come back.
    Restarting,
    /// 1013: too many sockets, of this client or of all; or nobody can tell which sessions have ended.
    Overloaded,
    /// 4008: the client does not read.
    SlowReader,
    /// 4400: not a message of the protocol.
    BadMessage,
    /// 4401: an operation before the connection was acknowledged.
    Unauthorized,
    /// 4403: the token is not good, or not any more.
    Forbidden,
    /// 4408: no `connection_init` in time.
    InitTimeout,
    /// 4409: the id is in use.
    IdInUse(String),
    /// 4429: a second `connection_init`, or more operations at once than a socket may have.
    TooMany(&'static str),
}

impl Close {
    /// The code and the reason, which has to fit 123 bytes.
    pub fn frame(&self) -> (u16, String) {
        let (code, reason) = match self {
            Self::Restarting => (1012, "Service Restart".to_owned()),
            Self::Overloaded => (1013, "Try Again Later".to_owned()),
            Self::SlowReader => (
                4008,
                "The client reads too slowly; resume with the last cursor".to_owned(),
            ),
            Self::BadMessage => (4400, "Not a message of graphql-transport-ws".to_owned()),
            Self::Unauthorized => (4401, "Unauthorized".to_owned()),
            Self::Forbidden => (4403, "Forbidden".to_owned()),
            Self::InitTimeout => (4408, "Connection initialisation timeout".to_owned()),
            Self::IdInUse(id) => {
                let id: String = id.chars().take(16).collect();
                (4409, format!("Subscriber for {id} already exists"))
            }
            Self::TooMany(what) => (4429, (*what).to_owned()),
        };
        (code, reason)
    }
}

/// The token of a `connection_init`: `Authorization` at the top or inside `headers`, in either
/// case, or `authToken`.
pub fn token(payload: &Map<String, Value>) -> Option<String> {
    let from = |map: &Map<String, Value>| {
        ["Authorization", "authorization"]
            .iter()
            .find_map(|name| map.get(*name)?.as_str().map(ToOwned::to_owned))
    };
    let header = from(payload)
        .or_else(|| from(payload.get("headers")?.as_object()?))
        .filter(|value| !value.trim().is_empty());
    match header {
        // What is not a bearer token is passed on as it is, and found not to be good.
        Some(value) => {
            Some(super::super::http::bearer(&value).map_or(value.clone(), ToOwned::to_owned))
        }
        None => payload
            .get("authToken")?
            .as_str()
            .map(|token| {
                super::super::http::bearer(token)
                    .unwrap_or(token)
                    .to_owned()
            })
            .filter(|token| !token.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Close, ServerMessage, token};

    #[test]
    fn the_token_is_found_where_clients_put_it() {
        let cases = [
            (json!({"Authorization": "Bearer a.b"}), Some("a.b")),
            (json!({"authorization": "bearer a.b"}), Some("a.b")),
            (
                json!({"headers": {"Authorization": "Bearer a.b"}}),
                Some("a.b"),
            ),
            (json!({"authToken": "a.b"}), Some("a.b")),
            (json!({"Authorization": "Basic x"}), Some("Basic x")),
            (json!({"Authorization": ""}), None),
            (json!({"other": 1, "headers": 2}), None),
        ];
        for (payload, wanted) in cases {
            let found = token(payload.as_object().unwrap());
            assert_eq!(found.as_deref(), wanted, "{payload}");
        }
    }

    #[test]
    fn the_keys_of_an_answer_keep_their_order() {
        let data = async_graphql::value!({"zulu": 1, "alpha": {"yankee": 2, "bravo": 3}});
        let message = ServerMessage::Next {
            id: "1",
            payload: &async_graphql::Response::new(data),
        };
        assert_eq!(
            serde_json::to_string(&message).unwrap(),
            r#"{"type":"next","id":"1","payload":{"data":{"zulu":1,"alpha":{"yankee":2,"bravo":3}}}}"#
        );
    }

    #[test]
    fn a_reason_fits_its_frame() {
        let (code, reason) = Close::IdInUse("\u{1F600}".repeat(500)).frame();
        assert_eq!(code, 4409);
        assert!(reason.len() <= 123);
    }
}
