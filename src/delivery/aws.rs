//! How calls to Amazon are signed (AWS Signature Version 4), and what all its services answer alike.
//!
//! By hand: the crate that does it brings ten others, and what is signed here is small: `POST`, a path of plain
//! characters, no query.

use chrono::{DateTime, Utc};
use reqwest::Request;
use reqwest::header::{AUTHORIZATION, HeaderValue, InvalidHeaderValue};
use secrecy::{ExposeSecret, SecretString};
use url::{Position, Url};

use super::vendor::{self, Verdict};
use crate::crypto::{hex, mac, sha256};
use crate::outbound::Answer;
use crate::settings::AwsSettings;

/// The name of the algorithm.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Signs calls to one service in one region.
pub(super) struct Signer {
    settings: AwsSettings,
    service: &'static str,
}

impl Signer {
    /// `service` as the signature names it.
    pub(super) fn new(settings: AwsSettings, service: &'static str) -> Self {
        Self { settings, service }
    }

    /// Where the service is, by its region.
    ///
    /// # Errors
    /// When the region makes no name of a host.
    pub(super) fn endpoint(&self, host: &str) -> Result<Url, url::ParseError> {
        let region = &self.settings.region;
        // China is a partition of its own.
        let top = if region.starts_with("cn-") {
            "amazonaws.com.cn"
        } else {
            "amazonaws.com"
        };
        Url::parse(&format!("https://{host}.{region}.{top}/"))
    }

    /// Signs a request: its method, path, host, headers and body. Nothing of those may change any more.
    ///
    /// # Errors
    /// When the name of the key or the session token cannot stand in a header.
    pub(super) fn sign(
        &self,
        request: &mut Request,
        now: DateTime<Utc>,
    ) -> Result<(), InvalidHeaderValue> {
        let time = now.format("%Y%m%dT%H%M%SZ").to_string();
        let headers = request.headers_mut();
        headers.insert("x-amz-date", HeaderValue::from_str(&time)?);
        if let Some(token) = &self.settings.session_token {
            let mut token = HeaderValue::from_str(token.expose_secret())?;
            token.set_sensitive(true);
            headers.insert("x-amz-security-token", token);
        }
        let date = &time[..8];
        let scope = format!(
            "{date}/{}/{}/aws4_request",
            self.settings.region, self.service
        );
        let (canonical, signed) = canonical(request);
        let to_sign = format!("{ALGORITHM}\n{time}\n{scope}\n{}", hex(&sha256(canonical)));
        let signature = hex(&mac(&self.key(date), to_sign.as_bytes()));
        let id = &self.settings.access_key_id;
        let value = format!(
            "{ALGORITHM} Credential={id}/{scope}, SignedHeaders={signed}, Signature={signature}"
        );
        let mut value = HeaderValue::from_str(&value)?;
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
        Ok(())
    }

    /// The key of a day.
    fn key(&self, date: &str) -> [u8; 32] {
        let secret: &SecretString = &self.settings.secret_access_key;
        let secret = format!("AWS4{}", secret.expose_secret());
        let key = mac(secret.as_bytes(), date.as_bytes());
        let key = mac(&key, self.settings.region.as_bytes());
        let key = mac(&key, self.service.as_bytes());
        mac(&key, b"aws4_request")
    }
}

/// The request in the one form that is signed, and the names of the headers in it.
fn canonical(request: &Request) -> (String, String) {
    let url = request.url();
    // Only what the HTTP library sends as `Host`: the port when it is not the usual one.
    let host = url[Position::BeforeHost..Position::AfterPort].to_owned();
    let mut headers = vec![("host".to_owned(), host)];
    for (name, value) in request.headers() {
        // What is not ASCII is not among our own headers.
        let value = value.to_str().unwrap_or_default();
        let words: Vec<&str> = value.split_ascii_whitespace().collect();
        headers.push((name.as_str().to_owned(), words.join(" ")));
    }
    headers.sort();
    let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    let names = names.join(";");
    let lines: Vec<String> = headers
        .iter()
        .map(|(name, value)| format!("{name}:{value}\n"))
        .collect();
    let lines = lines.concat();
    let body = request.body().and_then(|body| body.as_bytes());
    let body = hex(&sha256(body.unwrap_or_default()));
    let (method, path) = (request.method(), url.path());
    let canonical = format!("{method}\n{path}\n\n{lines}\n{names}\n{body}");
    (canonical, names)
}

/// The verdict on the errors that all services share, in both of their spellings.
pub(super) fn verdict(answer: &Answer, code: &str) -> Verdict {
    match code.strip_suffix("Exception").unwrap_or(code) {
        "Throttling"
        | "Throttled"
        | "TooManyRequests"
        | "RequestLimitExceeded"
        | "KMSThrottling"
        | "InternalError"
        | "InternalFailure"
        | "ServiceUnavailable"
        | "RequestTimeout" => Verdict::Later,
        "AccessDenied"
        | "AuthorizationError"
        | "ExpiredToken"
        | "IncompleteSignature"
        | "InvalidClientTokenId"
        | "InvalidSecurity"
        | "InvalidSignature"
        | "MissingAuthenticationToken"
        | "NotAuthorized"
        | "OptInRequired"
        | "RequestExpired"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClient" => Verdict::Us,
        _ => vendor::by_status(answer.status),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use chrono::NaiveDateTime;
    use reqwest::Method;
    use reqwest::header::CONTENT_TYPE;

    use super::*;
    use crate::outbound::test_server::Seen;

    /// The keys of Amazon's own examples.
    pub(in crate::delivery) const KEY_ID: &str = "AKIDEXAMPLE";
    pub(in crate::delivery) const KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    fn signed(mut request: Request, token: Option<&str>) -> Request {
        let settings = AwsSettings {
            region: "us-east-1".to_owned(),
            access_key_id: KEY_ID.to_owned(),
            secret_access_key: KEY.into(),
            session_token: token.map(SecretString::from),
        };
        let now = DateTime::parse_from_rfc3339("2015-08-30T12:36:00Z").unwrap();
        let signer = Signer::new(settings, "service");
        signer.sign(&mut request, now.into()).unwrap();
        request
    }

    fn request(method: Method) -> Request {
        Request::new(method, "https://example.amazonaws.com/".parse().unwrap())
    }

    fn authorization(request: &Request) -> (&str, &str) {
        let value = request.headers()[AUTHORIZATION].to_str().unwrap();
        let (_, rest) = value.split_once("SignedHeaders=").unwrap();
        rest.split_once(", Signature=").unwrap()
    }

    /// `get-vanilla`, `post-vanilla`, `post-x-www-form-urlencoded` and `post-sts-header-before` of Amazon's test suite.
    #[test]
    fn the_test_suite_of_amazon_holds() {
        let plain = signed(request(Method::GET), None);
        let value = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
            SignedHeaders=host;x-amz-date, \
            Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
        assert_eq!(plain.headers()[AUTHORIZATION], value);

        let plain = signed(request(Method::POST), None);
        let signature = "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b";
        assert_eq!(authorization(&plain), ("host;x-amz-date", signature));

        let mut form = request(Method::POST);
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        form.headers_mut().insert(CONTENT_TYPE, kind);
        *form.body_mut() = Some("Param1=value1".into());
        let signature = "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a";
        let expected = ("content-type;host;x-amz-date", signature);
        assert_eq!(authorization(&signed(form, None)), expected);

        let token = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfp\
            SPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQ\
            DYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+s\
            cqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";
        let with_token = signed(request(Method::POST), Some(token));
        let signature = "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead";
        let expected = ("host;x-amz-date;x-amz-security-token", signature);
        assert_eq!(authorization(&with_token), expected);
    }

    #[test]
    fn endpoints_by_region() {
        for (region, url) in [
            ("eu-west-1", "https://email.eu-west-1.amazonaws.com/"),
            ("cn-north-1", "https://email.cn-north-1.amazonaws.com.cn/"),
        ] {
            let settings = AwsSettings {
                region: region.to_owned(),
                access_key_id: String::new(),
                secret_access_key: "".into(),
                session_token: None,
            };
            let signer = Signer::new(settings, "ses");
            assert_eq!(signer.endpoint("email").unwrap().as_str(), url);
        }
    }

    /// Checks the signature of a request that arrived, step by step as Amazon documents it and with nothing of what signs
    /// here. Answers when it was signed.
    pub(in crate::delivery) fn verify(seen: &Seen, region: &str, service: &str) -> DateTime<Utc> {
        use aws_lc_rs::digest::{SHA256, digest};
        use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};

        let digits = |bytes: &[u8]| {
            let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            digits.concat()
        };
        let hmac = |key: &[u8], data: &str| {
            let tag = sign(&Key::new(HMAC_SHA256, key), data.as_bytes());
            tag.as_ref().to_vec()
        };
        let rest = seen.header("authorization");
        let rest = rest.strip_prefix("AWS4-HMAC-SHA256 Credential=").unwrap();
        let (credential, rest) = rest.split_once(", SignedHeaders=").unwrap();
        let (names, signature) = rest.split_once(", Signature=").unwrap();
        let parts: Vec<&str> = credential.split('/').collect();
        let [id, date, in_region, of_service, end] = parts[..] else {
            panic!("{credential}");
        };
        assert_eq!(
            (id, in_region, of_service, end),
            (KEY_ID, region, service, "aws4_request")
        );
        let time = seen.header("x-amz-date");
        assert!(time.starts_with(date), "{time}");
        for name in ["host", "x-amz-date", "content-type"] {
            assert!(names.split(';').any(|found| found == name), "{names}");
        }
        assert!(!seen.target.contains('?'));
        let lines: Vec<String> = names
            .split(';')
            .map(|name| format!("{name}:{}\n", seen.header(name)))
            .collect();
        let lines = lines.concat();
        let body = digits(digest(&SHA256, &seen.body).as_ref());
        let (method, path) = (&seen.method, &seen.target);
        let canonical = format!("{method}\n{path}\n\n{lines}\n{names}\n{body}");
        let hash = digits(digest(&SHA256, canonical.as_bytes()).as_ref());
        let to_sign =
            format!("AWS4-HMAC-SHA256\n{time}\n{date}/{region}/{service}/aws4_request\n{hash}");
        let mut key = format!("AWS4{KEY}").into_bytes();
        for part in [date, region, service, "aws4_request"] {
            key = hmac(&key, part);
        }
        assert_eq!(digits(&hmac(&key, &to_sign)), signature);
        NaiveDateTime::parse_from_str(time, "%Y%m%dT%H%M%SZ")
            .unwrap()
            .and_utc()
    }
}
