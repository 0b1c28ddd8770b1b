//! Which form an answer has: the GraphQL-over-HTTP specification, section "Media Types", and
//! RFC 9110, section 12.5.1.

/// The media type of one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaType {
    /// `application/graphql-response+json`: the status says whether the operation ran.
    GraphqlResponse,
    /// `application/json`: the status is 200 for every well-formed request.
    Json,
}

/// The form of many answers over one response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamType {
    /// Server-sent events: GraphQL over SSE, distinct connections mode
    /// (<https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md>).
    Events,
    /// `multipart/mixed;subscriptionSpec=1.0`
    /// (<https://www.apollographql.com/docs/graphos/routing/operations/subscriptions/multipart-protocol>).
    Multipart,
}

/// What a client takes. Clients send one list for all operations; which entry counts is decided by
/// the kind of the operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// For queries and mutations; none when the client takes streams only.
    pub answer: Option<MediaType>,
    /// For subscriptions; none when the client takes one answer only.
    pub stream: Option<StreamType>,
}

impl MediaType {
    /// The media type on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
        }
    }
}

impl Accepted {
    /// What a client that sent this header wants most; none when it takes nothing of ours.
    pub fn negotiate(accept: Option<&str>) -> Option<Self> {
        let Some(accept) = accept.map(str::trim).filter(|accept| !accept.is_empty()) else {
            return Some(Self {
                answer: Some(MediaType::Json),
                stream: None,
            });
        };
        let mut answer = Best::default();
        let mut stream = Best::default();
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default().to_ascii_lowercase();
            let parameters: Vec<String> = parts
                .map(|part| part.replace('"', "").to_ascii_lowercase())
                .collect();
            let quality = parameters
                .iter()
                .find_map(|part| part.strip_prefix("q="))
                .map_or(1.0, |q| q.parse().unwrap_or(0.0));
            match media.as_str() {
                "application/graphql-response+json" => {
                    answer.offer(MediaType::GraphqlResponse, quality);
                }
                "application/json" | "application/*" | "*/*" => {
                    answer.offer(MediaType::Json, quality);
                }
                "text/event-stream" => stream.offer(StreamType::Events, quality),
                // Without the parameter it means incremental delivery, which is not served.
                "multipart/mixed" if parameters.iter().any(|p| p == "subscriptionspec=1.0") => {
                    stream.offer(StreamType::Multipart, quality);
                }
                _ => {}
            }
        }
        let accepted = Self {
            answer: answer.0.map(|(media, _)| media),
            stream: stream.0.map(|(stream, _)| stream),
        };
        (accepted != Self::default()).then_some(accepted)
    }
}

/// The first of those wanted most.
struct Best<T>(Option<(T, f32)>);

impl<T> Default for Best<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Best<T> {
    fn offer(&mut self, value: T, quality: f32) {
        if quality > 0.0 && self.0.as_ref().is_none_or(|(_, most)| quality > *most) {
            self.0 = Some((value, quality));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Accepted;
    use super::MediaType::{GraphqlResponse, Json};
    use super::StreamType::{Events, Multipart};

    #[test]
    fn the_wish_of_the_client_decides() {
        let cases = [
            (None, Some(Json), None),
            (Some(""), Some(Json), None),
            (Some("*/*"), Some(Json), None),
            (Some("application/json"), Some(Json), None),
            (
                Some("application/graphql-response+json, application/json;q=0.9"),
                Some(GraphqlResponse),
                None,
            ),
            (
                Some("application/json;q=0.5, application/graphql-response+json;q=0.9"),
                Some(GraphqlResponse),
                None,
            ),
            (
                Some("application/graphql-response+json;q=0, */*;q=0.1"),
                Some(Json),
                None,
            ),
            (Some("text/html"), None, None),
            (Some("multipart/mixed"), None, None),
            (Some("text/event-stream"), None, Some(Events)),
            (
                Some("multipart/mixed;boundary=\"graphql\";subscriptionSpec=1.0,application/json"),
                Some(Json),
                Some(Multipart),
            ),
            (
                Some("multipart/mixed;subscriptionSpec=\"1.0\", */*"),
                Some(Json),
                Some(Multipart),
            ),
            (
                Some("multipart/mixed;deferSpec=20220824,application/json"),
                Some(Json),
                None,
            ),
            (
                Some(
                    "application/json, text/event-stream;q=0.5, multipart/mixed;subscriptionSpec=1.0;q=0.4",
                ),
                Some(Json),
                Some(Events),
            ),
        ];
        for (accept, answer, stream) in cases {
            let wanted = Accepted { answer, stream };
            let wanted = (wanted != Accepted::default()).then_some(wanted);
            assert_eq!(Accepted::negotiate(accept), wanted, "{accept:?}");
        }
    }
}
