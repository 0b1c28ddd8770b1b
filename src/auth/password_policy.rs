//! Which passwords are good enough.

use crate::settings::{PasswordPolicy, PasswordSettings};

type CharTest = fn(char) -> bool;

/// Longer ones are refused before they are hashed.
pub const MAX_BYTES: usize = 256;

/// More characters than this do not make a password easier to guess.
const ESTIMATED_CHARS: usize = 32;

/// What the estimator calls "guessable in 10^6 tries": the common ones, with the usual endings.
const WEAKEST: zxcvbn::Score = zxcvbn::Score::Two;

/// Everything that is wrong with a new password, as sentences; none when it is good. `context` is
/// what an attacker tries first: the names of the person and of the product.
pub fn problems(password: &str, context: &[String], settings: &PasswordSettings) -> Vec<String> {
    let mut problems = Vec::new();
    let length = password.chars().count();
    let least = settings.min_length();
    if length < least as usize {
        problems.push(format!(
            "The password has {length} characters; it needs at least {least}."
        ));
    }
    if password.len() > MAX_BYTES {
        return vec![format!("The password is longer than {MAX_BYTES} bytes.")];
    }
    if settings.policy == PasswordPolicy::Composition {
        let classes: [(&str, CharTest); 4] = [
            ("an upper-case letter", char::is_uppercase),
            ("a lower-case letter", char::is_lowercase),
            ("a digit", char::is_numeric),
            ("a symbol", |c| !c.is_alphanumeric()),
        ];
        let missing: Vec<&str> = classes
            .iter()
            .filter(|(_, is)| !password.chars().any(is))
            .map(|(name, _)| *name)
            .collect();
        if !missing.is_empty() {
            problems.push(format!("The password lacks {}.", missing.join(", ")));
        }
    }
    let lower = password.to_lowercase();
    if context
        .iter()
        .any(|word| word.chars().count() >= 4 && lower.contains(&word.to_lowercase()))
    {
        problems.push(
            "The password contains your name, your address or the name of this product.".to_owned(),
        );
    }
    if problems.is_empty() && estimate(password, context).score() < WEAKEST {
        problems.push(
            "The password is among the first that are guessed. Use several unrelated words."
                .to_owned(),
        );
    }
    problems
}

/// What an attacker tries first for an account: its names, and the name of the product.
pub fn context(name: &str, username: Option<&str>, email: Option<&str>) -> Vec<String> {
    let local_part = email.and_then(|email| email.split('@').next());
    let words = [Some("taskflow"), Some(name), username, local_part];
    words.into_iter().flatten().map(ToOwned::to_owned).collect()
}

/// How good a password is, and what would make it better.
#[derive(Clone, Debug)]
pub struct Strength {
    /// 0 to 4.
    pub score: u8,
    /// Why it would be refused; none when it would not be.
    pub problems: Vec<String>,
    /// What makes it easy to guess.
    pub warning: Option<String>,
    /// What to do about that.
    pub suggestions: Vec<String>,
}

/// Judges a password while it is typed.
pub fn strength(password: &str, context: &[String], settings: &PasswordSettings) -> Strength {
    let estimate = estimate(password, context);
    let feedback = estimate.feedback();
    Strength {
        score: estimate.score().into(),
        problems: problems(password, context, settings),
        warning: feedback
            .and_then(zxcvbn::feedback::Feedback::warning)
            .map(|it| it.to_string()),
        suggestions: feedback.map_or_else(Vec::new, |it| {
            it.suggestions().iter().map(ToString::to_string).collect()
        }),
    }
}

/// How soon a password is guessed. The estimator takes more than linear time, so it sees no more
/// than what decides.
fn estimate(password: &str, context: &[String]) -> zxcvbn::Entropy {
    let clip = |text: &str| text.chars().take(ESTIMATED_CHARS).collect::<String>();
    let context: Vec<String> = context.iter().map(|word| clip(word)).collect();
    let context: Vec<&str> = context.iter().map(String::as_str).collect();
    zxcvbn::zxcvbn(&clip(password), &context)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::problems;
    use crate::settings::Settings;

    #[test]
    fn the_default_policy_wants_length_classes_and_no_common_or_context_words() {
        let folder = std::env::temp_dir();
        let settings = Settings::load(None, &BTreeMap::new(), &folder)
            .unwrap()
            .auth
            .password;
        let context = ["taskflow", "Ada Lovelace"].map(ToOwned::to_owned);
        let ok = |password: &str| problems(password, &context, &settings);
        assert_eq!(ok("Correct-Horse-7-Battery"), Vec::<String>::new());
        assert_eq!(ok("Ünïcode-Wörter-9-gehen"), Vec::<String>::new());
        assert!(ok("Short-1")[0].contains("at least 12"));
        assert!(ok("alllowercaseletters")[0].contains("upper-case"));
        assert!(ok("Taskflow-Battery-77!")[0].contains("name of this product"));
        assert!(ok("Password123!")[0].contains("first that are guessed"));
        assert!(ok(&"Aa1!".repeat(100))[0].contains("256 bytes"));
    }
}
