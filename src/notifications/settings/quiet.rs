//! Quiet hours: when a person is not to be disturbed, and when that ends.
//!
//! Rules are times on the wall where the person is. Each day a rule names has one window, from its
//! start to its end; what is compared is points in time: a window holds its start and not its end.
//! Both are found by the clock that is advanced once: where it skips a time, that time is the first
//! moment after the gap, and where it shows a time twice, the earlier. So a window may be shorter or
//! longer than it reads, or empty when it lies within a gap; and of a day that a place left out
//! (Friday, 30 December 2011, in Samoa) is left what reaches into the next.

use std::ops::RangeInclusive;

use chrono::{
    DateTime, Datelike, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc, Weekday, WeekdaySet,
};
use chrono_tz::{GapInfo, Tz};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// More rules than this help nobody.
pub const MAX_QUIET_RULES: usize = 20;

const DAY: u16 = 24 * 60;

/// How far ahead an end is looked for. Who set seven whole days is never disturbed: then this is the
/// answer, and after it the question is asked again.
const AHEAD: TimeDelta = TimeDelta::days(7);

/// The days on which a window may begin that counts, from today's date in UTC: one that began
/// yesterday where the date is a day behind, to one that touches the end of [`AHEAD`] where it is a
/// day ahead and the clock is put back over midnight.
const DAYS: RangeInclusive<i64> = -2..=9;

const NAMES: [(&str, Weekday); 7] = [
    ("MONDAY", Weekday::Mon),
    ("TUESDAY", Weekday::Tue),
    ("WEDNESDAY", Weekday::Wed),
    ("THURSDAY", Weekday::Thu),
    ("FRIDAY", Weekday::Fri),
    ("SATURDAY", Weekday::Sat),
    ("SUNDAY", Weekday::Sun),
];

/// The quiet hours of a person; none when empty. As JSON
/// `[{"days": ["MONDAY"], "start": "22:00", "end": "07:00"}]`, in which everything must be there and
/// nothing else may be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct QuietRules(Vec<QuietRule>);

/// A window on some days of the week. An end before the start is on the next day, and the whole
/// window belongs to the day on which it starts. An end that equals the start is the same time of the
/// next day: the whole day, 24 hours on the clock. An end may also be `24:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuietRule {
    days: WeekdaySet,
    /// In minutes after midnight.
    start: u16,
    /// The same; up to 24:00.
    end: u16,
}

/// Why quiet hours cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path} {wrong}")]
pub struct QuietError {
    /// Which value is wrong, as `rules.2.start`: places count from 0.
    pub path: String,
    /// What is wrong with it.
    pub wrong: Wrong,
}

/// What is wrong with a value of quiet hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// The rules are no list.
    #[error("must be a list of rules")]
    NotRules,
    /// There are more than [`MAX_QUIET_RULES`].
    #[error("must be at most {MAX_QUIET_RULES} rules")]
    TooMany,
    /// A rule is no object with exactly its three fields.
    #[error("must have `days`, `start` and `end`, and nothing else")]
    NotARule,
    /// The days are no list, or there are none, or more than a week has.
    #[error("must be a list of 1 to 7 days")]
    NotDays,
    /// There is no such day.
    #[error("must be one of MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY, SATURDAY and SUNDAY")]
    NotADay,
    /// The rule names the day before.
    #[error("must be a day that the rule does not name already")]
    DayTwice,
    /// It is no time of day.
    #[error("must be a time of day as \"22:00\"")]
    NotATime,
}

impl Wrong {
    fn at(self, path: impl Into<String>) -> QuietError {
        let path = path.into();
        QuietError { path, wrong: self }
    }
}

impl QuietRules {
    /// The rules, in their order.
    pub fn rules(&self) -> &[QuietRule] {
        &self.0
    }
}

impl TryFrom<Value> for QuietRules {
    type Error = QuietError;

    fn try_from(value: Value) -> Result<Self, QuietError> {
        let rules = value
            .as_array()
            .ok_or_else(|| Wrong::NotRules.at("rules"))?;
        if rules.len() > MAX_QUIET_RULES {
            return Err(Wrong::TooMany.at("rules"));
        }
        let rules = rules.iter().enumerate();
        rules
            .map(|(place, rule)| QuietRule::read(&format!("rules.{place}"), rule))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl From<QuietRules> for Value {
    fn from(rules: QuietRules) -> Self {
        rules.0.into_iter().map(Self::from).collect()
    }
}

impl From<QuietRule> for Value {
    fn from(rule: QuietRule) -> Self {
        let days: Vec<&str> = rule.days().map(name).collect();
        json!({"days": days, "start": rule.start(), "end": rule.end()})
    }
}

impl QuietRule {
    fn read(path: &str, rule: &Value) -> Result<Self, QuietError> {
        let fields = rule.as_object().ok_or_else(|| Wrong::NotARule.at(path))?;
        let (Some(days), Some(start), Some(end), 3) = (
            fields.get("days"),
            fields.get("start"),
            fields.get("end"),
            fields.len(),
        ) else {
            return Err(Wrong::NotARule.at(path));
        };
        let time = |name: &str, value: &Value, most| {
            value
                .as_str()
                .and_then(minutes)
                .filter(|minutes| *minutes <= most)
                .ok_or_else(|| Wrong::NotATime.at(format!("{path}.{name}")))
        };
        Ok(Self {
            days: read_days(&format!("{path}.days"), days)?,
            start: time("start", start, DAY - 1)?,
            end: time("end", end, DAY)?,
        })
    }

    /// The days it begins on, from Monday.
    pub fn days(&self) -> impl Iterator<Item = Weekday> + use<> {
        self.days.iter(Weekday::Mon)
    }

    /// When it starts, as `22:00`.
    pub fn start(&self) -> String {
        shown(self.start)
    }

    /// When it ends, in the same way; perhaps `24:00`.
    pub fn end(&self) -> String {
        shown(self.end)
    }

    /// The window that begins on a day, as points in time. None when the rule does not name the day.
    fn window(self, zone: Tz, day: NaiveDate) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        if !self.days.contains(day.weekday()) {
            return None;
        }
        let end = if self.start < self.end {
            self.end
        } else {
            self.end + DAY
        };
        Some((instant(zone, day, self.start)?, instant(zone, day, end)?))
    }
}

fn read_days(path: &str, value: &Value) -> Result<WeekdaySet, QuietError> {
    let days = value
        .as_array()
        .filter(|days| (1..=7).contains(&days.len()))
        .ok_or_else(|| Wrong::NotDays.at(path))?;
    let mut set = WeekdaySet::EMPTY;
    for (place, day) in days.iter().enumerate() {
        let wrong = |wrong: Wrong| wrong.at(format!("{path}.{place}"));
        let known = NAMES.iter().find(|(name, _)| day == name);
        let (_, day) = known.ok_or_else(|| wrong(Wrong::NotADay))?;
        if !set.insert(*day) {
            return Err(wrong(Wrong::DayTwice));
        }
    }
    Ok(set)
}

fn name(day: Weekday) -> &'static str {
    let known = NAMES.iter().find(|(_, known)| *known == day);
    known.map_or("", |(name, _)| name)
}

/// Reads `HH:MM`, from `00:00` to `24:00`, as minutes after midnight.
fn minutes(text: &str) -> Option<u16> {
    let two = |text: &str| {
        let is_number = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse::<u16>().ok()).flatten()
    };
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute) = (two(hour)?, two(minute)?);
    let all = hour * 60 + minute;
    (minute < 60 && all <= DAY).then_some(all)
}

fn shown(minutes: u16) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

/// When the clocks of a place show so many minutes after the midnight that a day begins with: the
/// earlier moment when they do so twice, and the first after the gap when they never do.
fn instant(zone: Tz, day: NaiveDate, minutes: u16) -> Option<DateTime<Utc>> {
    let wall = day
        .and_time(NaiveTime::MIN)
        .checked_add_signed(TimeDelta::minutes(minutes.into()))?;
    let at = match zone.from_local_datetime(&wall).earliest() {
        Some(at) => at,
        None => GapInfo::new(&wall, &zone)?.end?,
    };
    Some(at.to_utc())
}

/// Whether it is quiet now, and until when. Windows that touch or overlap, of whichever rules and
/// days, are one. None when it is not quiet. At most seven days ahead: then ask again, it may go on.
pub fn quiet_until(rules: &QuietRules, zone: Tz, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let today = now.date_naive();
    let days = DAYS.filter_map(|days| today.checked_add_signed(TimeDelta::days(days)));
    let mut windows: Vec<_> = days
        .flat_map(|day| {
            rules
                .0
                .iter()
                .filter_map(move |rule| rule.window(zone, day))
        })
        .collect();
    windows.sort_unstable();
    // By their starts: when one begins after all before it have ended, so do those that follow.
    let mut until = None;
    for (start, end) in windows {
        let reached = until.unwrap_or(now);
        if start <= reached && reached < end {
            until = Some(end);
        }
    }
    let most = now.checked_add_signed(AHEAD);
    until.map(|until| most.map_or(until, |most| until.min(most)))
}

#[cfg(test)]
mod tests;
