//! What templates can do with a value. None of it reads a file, asks anybody, or can go on without an
//! end: each looks at its values once.

use chrono_tz::Tz;
use handlebars::{
    Context, Handlebars, Helper, HelperDef, HelperResult, JsonRender, JsonTruthy, Output,
    RenderContext, RenderError, RenderErrorReason, Renderable, ScopedJson,
};
use serde_json::Value;
use url::Url;

use super::{date, words};
use crate::settings::Locale;

/// Where the time zone stands among the blanks. No template can name it.
pub(super) const ZONE: &str = "$zone";

/// The helpers of a language:
///
/// - `if`, `unless`: as they come, but what is missing is an error and not false.
/// - `{{date at}}`: a point in time (RFC 3339) in the reader's zone, or a day (`YYYY-MM-DD`), in words.
/// - `{{plural n one="task" other="tasks"}}`: the form that goes with a number.
/// - `{{url link}}`: a link to http or https, or nothing if it is another; `{{url base "a" b}}`: the
///   same with parts added to its path, percent-encoded.
/// - `{{default value other}}`: the other if there is none, or an empty one.
/// - `{{truncate text n}}`: at most n characters, the last an ellipsis if something was cut off.
/// - `{{word "role" name}}`, `{{words "field" names}}`: words for names in the code.
/// - `{{lines text}}`: a text whose line breaks are kept.
/// - `{{quote text}}`: the same of what anybody may have written: in plain text each line of it is marked.
/// - `{{lang}}`: the tag of the language.
pub(super) fn register(registry: &mut Handlebars<'static>, locale: Locale, is_html: bool) {
    // Both are made for what templates of others need: lists, and an output beside ours.
    registry.unregister_helper("each");
    registry.unregister_helper("log");
    registry.register_helper("if", Box::new(Choice { wanted: true }));
    registry.register_helper("unless", Box::new(Choice { wanted: false }));
    for (name, mark) in [("lines", ""), ("quote", "> ")] {
        let mark = if is_html { "" } else { mark };
        registry.register_helper(name, Box::new(Lines { is_html, mark }));
    }
    let mut value = |name: &str, make: Make| {
        registry.register_helper(name, Box::new(Made { make, locale }));
    };
    value("date", date);
    value("plural", plural);
    value("url", url);
    value("default", default);
    value("truncate", truncate);
    value("word", word);
    value("words", list);
    value("lang", |_, _, locale| Ok(locale.tag().into()));
}

type Make = fn(&Helper<'_>, &Context, Locale) -> Result<Value, RenderError>;

/// A helper that makes a value. The value can be given to another helper, and is escaped as any other.
struct Made {
    make: Make,
    locale: Locale,
}

impl HelperDef for Made {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        context: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        (self.make)(helper, context, self.locale).map(ScopedJson::Derived)
    }
}

/// `if` and `unless`.
struct Choice {
    wanted: bool,
}

impl HelperDef for Choice {
    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        registry: &'reg Handlebars<'reg>,
        context: &'rc Context,
        state: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        let template = if given(helper, 0)?.is_truthy(false) == self.wanted {
            helper.template()
        } else {
            helper.inverse()
        };
        match template {
            Some(template) => template.render(registry, context, state, out),
            None => Ok(()),
        }
    }
}

/// `lines` and `quote`.
struct Lines {
    is_html: bool,
    /// What stands before each line, so that none looks like one of ours.
    mark: &'static str,
}

impl HelperDef for Lines {
    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        registry: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        let escape = registry.get_escape_fn();
        let text = text(helper, 0)?;
        for (number, line) in text.trim_end().lines().enumerate() {
            if number > 0 {
                // Not a style: some mail programs know none that keeps line breaks.
                out.write(if self.is_html { "<br>\n" } else { "\n" })?;
            }
            out.write(format!("{}{}", self.mark, escape(line)).trim_end())?;
        }
        Ok(())
    }
}

/// A value that must be there; null is one.
fn given<'a>(helper: &'a Helper<'_>, index: usize) -> Result<&'a Value, RenderError> {
    match helper.param(index) {
        Some(value) if !value.is_value_missing() => Ok(value.value()),
        Some(value) => {
            let path = value.relative_path().cloned();
            Err(RenderErrorReason::MissingVariable(path).into())
        }
        None => Err(wrong(helper, "a value is missing")),
    }
}

/// A text that must be there. Null is an empty one.
fn text<'a>(helper: &'a Helper<'_>, index: usize) -> Result<&'a str, RenderError> {
    match given(helper, index)? {
        Value::String(text) => Ok(text),
        Value::Null => Ok(""),
        _ => Err(wrong(helper, "is for texts")),
    }
}

/// What is wrong with the use of a helper; never a value, which may be a secret.
fn wrong(helper: &Helper<'_>, what: &str) -> RenderError {
    RenderErrorReason::Other(format!("{}: {what}", helper.name())).into()
}

fn date(helper: &Helper<'_>, context: &Context, locale: Locale) -> Result<Value, RenderError> {
    let zone = context.data().get(ZONE).and_then(Value::as_str);
    let zone: Option<Tz> = zone.and_then(|name| name.parse().ok());
    let zone = zone.ok_or_else(|| wrong(helper, "there is no time zone"))?;
    date::in_words(text(helper, 0)?, locale, zone)
        .map(Value::from)
        .ok_or_else(|| wrong(helper, "neither a point in time nor a day"))
}

/// In both languages one is singular, and everything else is not: zero, more, and what has a fraction
/// (Unicode CLDR, plural rules).
fn plural(helper: &Helper<'_>, _: &Context, _: Locale) -> Result<Value, RenderError> {
    let count = given(helper, 0)?;
    if !count.is_number() {
        return Err(wrong(helper, "is for numbers"));
    }
    let is_one = count.as_i64().is_some_and(|count| count.abs() == 1);
    let form = helper.hash_get(if is_one { "one" } else { "other" });
    match form.map(handlebars::PathAndJson::value) {
        Some(Value::String(form)) => Ok(form.as_str().into()),
        _ => Err(wrong(helper, "needs the forms `one` and `other`")),
    }
}

fn url(helper: &Helper<'_>, _: &Context, _: Locale) -> Result<Value, RenderError> {
    let mut parts = Vec::new();
    for index in 1..helper.params().len() {
        parts.push(match given(helper, index)? {
            part @ (Value::String(_) | Value::Number(_)) => part.render(),
            _ => return Err(wrong(helper, "a part is neither a text nor a number")),
        });
    }
    Ok(web_address(text(helper, 0)?, &parts).map_or(Value::Null, Value::from))
}

/// A link as a browser reads it, if it leads to a web page and nowhere else, and says honestly where:
/// a user name before the host is there to deceive.
fn web_address(text: &str, parts: &[String]) -> Option<String> {
    let mut url = Url::parse(text).ok()?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
    if !is_web || !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    if !parts.is_empty() {
        url.set_query(None);
        url.set_fragment(None);
        url.path_segments_mut().ok()?.pop_if_empty().extend(parts);
    }
    let read = String::from(url);
    // The same, and as people write it.
    Some(match read.strip_suffix('/') {
        Some(bare) if bare == text => bare.to_owned(),
        _ => read,
    })
}

fn default(helper: &Helper<'_>, _: &Context, _: Locale) -> Result<Value, RenderError> {
    let value = given(helper, 0)?;
    let is_there = match value {
        Value::Null => false,
        Value::String(text) => !text.trim().is_empty(),
        _ => true,
    };
    if is_there {
        Ok(value.clone())
    } else {
        given(helper, 1).cloned()
    }
}

fn truncate(helper: &Helper<'_>, _: &Context, _: Locale) -> Result<Value, RenderError> {
    let most = given(helper, 1)?.as_u64();
    let most = most.and_then(|most| usize::try_from(most).ok());
    let most = most.ok_or_else(|| wrong(helper, "needs a number of characters"))?;
    Ok(cut(text(helper, 0)?, most).into())
}

/// At most so many characters, the ellipsis included.
fn cut(text: &str, most: usize) -> String {
    if text.char_indices().nth(most).is_none() {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    let end = if most == 0 { "" } else { "…" };
    format!("{}{end}", kept.trim_end())
}

fn word(helper: &Helper<'_>, _: &Context, locale: Locale) -> Result<Value, RenderError> {
    let (kind, name) = (text(helper, 0)?, text(helper, 1)?);
    Ok(words::word(kind, name, locale).into())
}

fn list(helper: &Helper<'_>, _: &Context, locale: Locale) -> Result<Value, RenderError> {
    let kind = text(helper, 0)?;
    let names = given(helper, 1)?.as_array();
    let names = names.ok_or_else(|| wrong(helper, "is for lists"))?;
    let names = names.iter().map(Value::as_str).collect::<Option<Vec<_>>>();
    let names = names.ok_or_else(|| wrong(helper, "is for lists of texts"))?;
    let found: Vec<_> = names
        .into_iter()
        .map(|name| words::word(kind, name, locale))
        .collect();
    Ok(words::list(&found, locale).into())
}

#[cfg(test)]
mod tests;
