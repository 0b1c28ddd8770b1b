//! `[push]`: how messages to phones leave. Each vendor is set or not: Firebase Cloud Messaging (FCM) for Android, the
//! Apple Push Notification service (APNS) for Apple's devices.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::problem::Problem;
use super::{Settings, at_least};

/// The way of push messages, as set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PushTransportSetting {
    /// To the vendors that are set. Those that are not are logged in development, and skipped in production.
    Auto,
    /// To the vendors that are set, and to no others.
    Vendors,
    /// Files for the page `/mailbox`.
    Log,
    /// None at all.
    None,
}

/// The way of one platform's messages, decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushWay {
    /// To the vendor, which is set.
    Vendor,
    /// Files for the page `/mailbox`.
    Log,
    /// Not at all.
    None,
}

/// The ways of push messages, decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EffectivePush {
    /// What is for FCM.
    pub fcm: PushWay,
    /// What is for APNS.
    pub apns: PushWay,
}

impl EffectivePush {
    /// Whether any of it becomes files.
    pub fn logs(self) -> bool {
        [self.fcm, self.apns].contains(&PushWay::Log)
    }
}

/// The section `[push]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PushSettings {
    /// The way of push messages; [`Settings::effective_push`] decides `auto`.
    pub transport: PushTransportSetting,
    /// How long one attempt may take, in seconds.
    pub timeout_seconds: u64,
    /// Firebase Cloud Messaging.
    pub fcm: FcmSettings,
    /// The Apple Push Notification service.
    pub apns: ApnsSettings,
}

/// The section `[push.fcm]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FcmSettings {
    /// The JSON file with the key of the service account. None: nothing goes to FCM.
    pub service_account_file: Option<PathBuf>,
    /// Where FCM is, when it is not Google's.
    pub endpoint: Option<Url>,
}

/// The section `[push.apns]`. A file, a key's name, a team and a topic belong together.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ApnsSettings {
    /// The file with the signing key, PKCS #8 in PEM (`.p8`). None: nothing goes to APNS.
    pub key_file: Option<PathBuf>,
    /// The name of that key: 10 letters and digits.
    pub key_id: Option<String>,
    /// The name of the developer's team: 10 letters and digits.
    pub team_id: Option<String>,
    /// The app's bundle id.
    pub topic: Option<String>,
    /// Whether the tokens are from Apple's development environment.
    pub sandbox: bool,
    /// Where APNS is, when it is not Apple's.
    pub endpoint: Option<Url>,
}

impl Settings {
    /// The way of each platform's messages, with `auto` decided.
    pub fn effective_push(&self) -> EffectivePush {
        self.push.effective(self.is_production())
    }
}

impl PushSettings {
    fn effective(&self, production: bool) -> EffectivePush {
        let way = |is_set| match self.transport {
            PushTransportSetting::Auto | PushTransportSetting::Vendors if is_set => PushWay::Vendor,
            PushTransportSetting::Auto if !production => PushWay::Log,
            PushTransportSetting::Log => PushWay::Log,
            PushTransportSetting::Auto
            | PushTransportSetting::Vendors
            | PushTransportSetting::None => PushWay::None,
        };
        EffectivePush {
            fcm: way(self.fcm.is_set()),
            apns: way(self.apns.is_set()),
        }
    }

    /// Checks the section by itself. Relative paths start at `folder`.
    pub(super) fn validate(&self, folder: &Path, errors: &mut Vec<Problem>) {
        at_least(errors, "push.timeout_seconds", self.timeout_seconds, 1);
        let is_set = self.fcm.is_set() || self.apns.is_set();
        if self.transport == PushTransportSetting::Vendors && !is_set {
            let message = "is \"vendors\", but none is set: set push.fcm.service_account_file or push.apns.key_file";
            errors.push(Problem::of("push.transport", message));
        }
        self.fcm.validate(folder, errors);
        self.apns.validate(folder, errors);
    }
}

impl FcmSettings {
    /// Whether messages can go there.
    fn is_set(&self) -> bool {
        self.service_account_file.is_some()
    }

    fn validate(&self, folder: &Path, errors: &mut Vec<Problem>) {
        let file = self.service_account_file.as_deref();
        check_file("push.fcm.service_account_file", file, folder, errors);
        check_endpoint("push.fcm.endpoint", self.endpoint.as_ref(), errors);
    }
}

impl ApnsSettings {
    /// Whether messages can go there.
    fn is_set(&self) -> bool {
        self.key_file.is_some()
    }

    fn validate(&self, folder: &Path, errors: &mut Vec<Problem>) {
        check_file(
            "push.apns.key_file",
            self.key_file.as_deref(),
            folder,
            errors,
        );
        check_endpoint("push.apns.endpoint", self.endpoint.as_ref(), errors);
        let ids = [
            ("push.apns.key_id", &self.key_id),
            ("push.apns.team_id", &self.team_id),
        ];
        for (key, id) in ids {
            if id.as_deref().is_some_and(|id| !is_apple_id(id)) {
                errors.push(Problem::of(key, "must be 10 upper-case letters and digits"));
            }
        }
        let is_topic =
            |topic: &str| !topic.is_empty() && topic.chars().all(|c| c.is_ascii_graphic());
        if self.topic.as_deref().is_some_and(|topic| !is_topic(topic)) {
            let message = "must be the app's bundle id, such as org.example.tasks";
            errors.push(Problem::of("push.apns.topic", message));
        }
        let together = [
            ("push.apns.key_file", self.key_file.is_some()),
            ("push.apns.key_id", self.key_id.is_some()),
            ("push.apns.team_id", self.team_id.is_some()),
            ("push.apns.topic", self.topic.is_some()),
        ];
        if together.iter().any(|(_, is_set)| *is_set) {
            for (key, _) in together.iter().filter(|(_, is_set)| !is_set) {
                let message = "is missing: key_file, key_id, team_id and topic belong together";
                errors.push(Problem::of(key, message));
            }
        }
    }
}

fn check_file(key: &str, path: Option<&Path>, folder: &Path, errors: &mut Vec<Problem>) {
    if let Some(path) = path
        && !folder.join(path).is_file()
    {
        let message = format!("{} is no file", path.display());
        errors.push(Problem::of(key, message));
    }
}

/// Tokens and addresses travel there: without TLS only within this machine.
fn check_endpoint(key: &str, url: Option<&Url>, errors: &mut Vec<Problem>) {
    let Some(url) = url else { return };
    let is_near = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.to_canonical().is_loopback(),
        None => false,
    };
    let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_near);
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let is_anonymous = url.username().is_empty() && url.password().is_none();
    if !(is_safe && is_bare && is_anonymous) {
        let message = "must be like https://push.example.org: https (or http to this machine), and only a host and a port";
        errors.push(Problem::of(key, message));
    }
}

/// The names that Apple gives to keys and teams.
fn is_apple_id(text: &str) -> bool {
    text.len() == 10
        && text
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(transport: PushTransportSetting) -> PushSettings {
        PushSettings {
            transport,
            timeout_seconds: 20,
            fcm: FcmSettings {
                service_account_file: None,
                endpoint: None,
            },
            apns: ApnsSettings {
                key_file: None,
                key_id: None,
                team_id: None,
                topic: None,
                sandbox: false,
                endpoint: None,
            },
        }
    }

    fn problems(settings: &PushSettings, folder: &Path) -> Vec<String> {
        let mut errors = Vec::new();
        settings.validate(folder, &mut errors);
        errors.into_iter().map(|error| error.setting).collect()
    }

    #[test]
    fn which_way_each_platform_goes() {
        use PushTransportSetting::{Auto, Log, None, Vendors};
        let with_fcm = |transport, production| {
            let mut settings = settings(transport);
            settings.fcm.service_account_file = Some("a.json".into());
            let ways = settings.effective(production);
            (ways.fcm, ways.apns)
        };
        assert_eq!(with_fcm(Auto, false), (PushWay::Vendor, PushWay::Log));
        assert_eq!(with_fcm(Auto, true), (PushWay::Vendor, PushWay::None));
        assert_eq!(with_fcm(Vendors, false), (PushWay::Vendor, PushWay::None));
        assert_eq!(with_fcm(Log, false), (PushWay::Log, PushWay::Log));
        assert_eq!(with_fcm(None, false), (PushWay::None, PushWay::None));
    }

    #[test]
    fn what_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        std::fs::write(path.join("key.p8"), "x").unwrap();
        assert!(problems(&settings(PushTransportSetting::Auto), path).is_empty());
        let vendors = settings(PushTransportSetting::Vendors);
        assert_eq!(problems(&vendors, path), ["push.transport"]);

        let mut apple = settings(PushTransportSetting::Vendors);
        apple.apns.key_file = Some("key.p8".into());
        apple.apns.key_id = Some("ABCDE12345".to_owned());
        assert_eq!(
            problems(&apple, path),
            ["push.apns.team_id", "push.apns.topic"]
        );
        apple.apns.team_id = Some("abc".to_owned());
        apple.apns.topic = Some("a b".to_owned());
        assert_eq!(
            problems(&apple, path),
            ["push.apns.team_id", "push.apns.topic"]
        );
        apple.apns.team_id = Some("ABCDE12346".to_owned());
        apple.apns.topic = Some("org.example.tasks".to_owned());
        assert!(problems(&apple, path).is_empty());
        apple.fcm.service_account_file = Some("missing.json".into());
        assert_eq!(problems(&apple, path), ["push.fcm.service_account_file"]);
    }

    #[test]
    fn endpoints() {
        let is_refused = |url: &str| {
            let mut errors = Vec::new();
            check_endpoint("x", Some(&Url::parse(url).unwrap()), &mut errors);
            !errors.is_empty()
        };
        for right in [
            "https://push.example.org",
            "https://push.example.org:2197/",
            "http://127.0.0.1:1",
            "http://[::1]:1",
            "http://localhost:1",
        ] {
            assert!(!is_refused(right), "{right}");
        }
        for wrong in [
            "http://push.example.org",
            "https://u@push.example.org",
            "https://push.example.org/x",
            "https://push.example.org?x",
            "https://push.example.org#x",
            "ftp://push.example.org",
            "http://127.0.0.1.example.org",
        ] {
            assert!(is_refused(wrong), "{wrong}");
        }
    }
}
