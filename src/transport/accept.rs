//! Which media type an answer has: the GraphQL-over-HTTP specification, section "Media Types", and
//! RFC 9110, section 12.5.1.

/// The media type of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaType {
    /// `application/graphql-response+json`: the status says whether the operation ran.
    GraphqlResponse,
    /// `application/json`: the status is 200 for every well-formed request.
    Json,
}

impl MediaType {
    /// The media type on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
        }
    }

    /// What a client that sent this header wants most; none when it takes neither.
    pub fn negotiate(accept: Option<&str>) -> Option<Self> {
        let Some(accept) = accept.map(str::trim).filter(|accept| !accept.is_empty()) else {
            return Some(Self::Json);
        };
        let mut best: Option<(Self, f32)> = None;
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let media = match parts
                .next()
                .unwrap_or_default()
                .to_ascii_lowercase()
                .as_str()
            {
                "application/graphql-response+json" => Self::GraphqlResponse,
                "application/json" | "application/*" | "*/*" => Self::Json,
                _ => continue,
            };
            let quality = parts
                .find_map(|part| part.strip_prefix("q="))
                .map_or(1.0, |q| q.parse().unwrap_or(0.0));
            if quality > 0.0 && best.is_none_or(|(_, most)| quality > most) {
                best = Some((media, quality));
            }
        }
        best.map(|(media, _)| media)
    }
}

#[cfg(test)]
mod tests {
    use super::MediaType::{self, GraphqlResponse, Json};

    #[test]
    fn the_wish_of_the_client_decides() {
        let cases = [
            (None, Some(Json)),
            (Some(""), Some(Json)),
            (Some("*/*"), Some(Json)),
            (Some("application/json"), Some(Json)),
            (
                Some("application/graphql-response+json, application/json;q=0.9"),
                Some(GraphqlResponse),
            ),
            (
                Some("application/json;q=0.5, application/graphql-response+json;q=0.9"),
                Some(GraphqlResponse),
            ),
            (
                Some("application/graphql-response+json;q=0, */*;q=0.1"),
                Some(Json),
            ),
            (Some("text/html"), None),
        ];
        for (accept, wanted) in cases {
            assert_eq!(MediaType::negotiate(accept), wanted, "{accept:?}");
        }
    }
}
