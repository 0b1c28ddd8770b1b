//! Counting, against a model that is small enough to be seen to be right.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};

use chrono::TimeDelta;
use proptest::prelude::*;
use proptest::sample::subsequence;
use taskflow::kv::Kv;
use taskflow::limits::{Bucket, Draw, Key, Local, Quota, Shared, Taken};
use taskflow::settings::{LimitsProfile, RedisSettings};

use crate::support::process::PATIENCE;
use crate::support::redis::server as redis_server;

/// A vessel that runs out by one microsecond each microsecond. What would make it flow over is
/// refused.
#[derive(Clone, Copy, Default)]
struct Vessel {
    level: i64,
    looked_at: i64,
}

#[derive(Default)]
struct Model(HashMap<(Bucket, Key), Vessel>);

impl Model {
    fn take(&mut self, now: i64, draws: &[Draw]) -> Taken {
        let mut levels = Vec::new();
        for draw in draws {
            let vessel = self.0.get(&draw.counter).copied().unwrap_or(Vessel {
                level: 0,
                looked_at: now,
            });
            // A clock that is turned back fills it, to the brim at most.
            let level = vessel.level - (now - vessel.looked_at);
            levels.push(level.clamp(0, draw.full));
        }
        let allowed = draws
            .iter()
            .zip(&levels)
            .all(|(draw, level)| level + draw.cost <= draw.full);
        for (draw, level) in draws.iter().zip(&mut levels) {
            if allowed {
                *level += draw.cost;
            }
            // What is at the brim is no fuller than that from now on, also after a refusal.
            if allowed || *level == draw.full {
                let vessel = Vessel {
                    level: *level,
                    looked_at: now,
                };
                self.0.insert(draw.counter, vessel);
            }
        }
        Taken {
            allowed,
            now,
            empty_at: levels.iter().map(|level| now + level).collect(),
        }
    }
}

/// A moment, and the counters (by their place) with how often each is used.
type Step = (i64, Vec<(usize, u32)>);

/// Three counters of some rates, and what happens to them. The windows are long, so that Redis
/// forgets nothing while the test runs; the times are odd on purpose.
fn history() -> impl Strategy<Value = (Vec<Quota>, Vec<Step>)> {
    let quotas = prop::collection::vec((1..60_u32, 3_600..2_678_400_u32), 3);
    let span = prop_oneof![
        Just(0_i64),
        0..3_000_i64,
        0..4_000_000_000_i64,
        -4_000_000_000..4_000_000_000_i64,
        0..3_000_000_000_000_i64,
    ];
    let uses = prop_oneof![4 => 1..4_u32, 1 => 1..80_u32, 1 => Just(u32::MAX)];
    let draws = subsequence(vec![0_usize, 1, 2], 1..=3)
        .prop_flat_map(move |places| {
            let count = places.len();
            (Just(places), prop::collection::vec(uses.clone(), count))
        })
        .prop_map(|(places, uses)| places.into_iter().zip(uses).collect());
    let steps = prop::collection::vec((span, draws), 1..60);
    let quotas = quotas.prop_map(|rates| {
        let quota = |(limit, seconds)| Quota::new(limit, seconds);
        rates.into_iter().map(quota).collect()
    });
    (quotas, steps)
}

/// Keys that no other history has.
fn draws(quotas: &[Quota], run: u32, uses: &[(usize, u32)]) -> Vec<Draw> {
    let draw = |(place, uses): &(usize, u32)| Draw {
        counter: (Bucket::General, Key::account(&format!("{run}/{place}"))),
        full: quotas[*place].full(),
        cost: quotas[*place].cost(*uses),
    };
    uses.iter().map(draw).collect()
}

proptest! {
    #[test]
    fn a_process_counts_like_the_model((quotas, steps) in history()) {
        let (mut model, local) = (Model::default(), Local::new(1_000));
        let mut now = 1_795_000_000_000_000;
        for (span, uses) in steps {
            now += span;
            let draws = draws(&quotas, 0, &uses);
            prop_assert_eq!(local.take(now, &draws), model.take(now, &draws));
        }
    }
}

/// The script as it is, by the clock of Redis: it says which time it counted at, and the model is
/// asked about the same.
#[test]
fn redis_counts_like_the_model() {
    static RUN: AtomicU32 = AtomicU32::new(0);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let kv = kv(&runtime, "model");
    let shared = Shared::new(kv, PATIENCE);
    let config = ProptestConfig::with_cases(60);
    proptest!(config, |((quotas, steps) in history())| {
        let run = RUN.fetch_add(1, Ordering::Relaxed);
        let mut model = Model::default();
        let mut offset = TimeDelta::zero();
        for (span, uses) in steps {
            offset += TimeDelta::microseconds(span);
            let draws = draws(&quotas, run, &uses);
            let taken = runtime.block_on(shared.take(offset, &draws));
            let taken = taken.expect("Redis counts");
            prop_assert_eq!(&taken, &model.take(taken.now, &draws));
        }
    });
}

fn kv(runtime: &tokio::runtime::Runtime, prefix: &str) -> Kv {
    let settings = RedisSettings {
        url: Some(redis_server().url().into()),
        prefix: format!("{prefix}-{}", std::process::id()),
    };
    runtime.block_on(async {
        let kv = Kv::new(&settings).unwrap();
        tokio::time::timeout(PATIENCE, kv.is_up()).await.unwrap();
        kv
    })
}

#[test]
fn what_redis_keeps_is_whole_numbers_that_end_by_themselves_and_no_name() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let kv = kv(&runtime, "kept");
    let shared = Shared::new(kv.clone(), PATIENCE);
    let quota = Quota::new(1, 2_678_400);
    let account = "ada@example.org";
    let draw = Draw {
        counter: (Bucket::LoginAccount, Key::account(account)),
        full: quota.full(),
        cost: quota.cost(1),
    };
    runtime.block_on(async {
        let taken = shared.take(TimeDelta::zero(), &[draw]).await.unwrap();
        assert!(taken.allowed);
        let pattern = kv.key("limit:*");
        let keys: Vec<String> = kv
            .run(PATIENCE, async move |mut redis| {
                redis::cmd("KEYS")
                    .arg(pattern)
                    .query_async(&mut redis)
                    .await
            })
            .await
            .unwrap();
        assert_eq!(keys.len(), 1);
        assert!(!keys[0].contains("ada"), "{keys:?}");
        let key = keys[0].clone();
        let (value, lifetime): (String, i64) = kv
            .run(PATIENCE, async move |mut redis| {
                let mut both = redis::pipe();
                both.cmd("GET").arg(&key).cmd("PTTL").arg(&key);
                both.query_async(&mut redis).await
            })
            .await
            .unwrap();
        assert_eq!(value, taken.empty_at[0].to_string());
        let month = 2_678_400_000;
        assert!((month - 60_000..=month).contains(&lifetime), "{lifetime}");
    });
}

#[test]
fn each_bucket_of_each_profile_lets_its_number_through_and_no_more() {
    for profile in ["development", "production", "sources"] {
        let settings = super::settings(&[("TASKFLOW_LIMITS__PROFILE", profile)]);
        for rate in Bucket::ALL
            .into_iter()
            .filter_map(|bucket| settings.rate(bucket))
        {
            let (quota, local) = (Quota::from(rate), Local::new(1_000));
            let draw = Draw {
                counter: (Bucket::Global, Key::EVERYBODY),
                full: quota.full(),
                cost: quota.cost(1),
            };
            let begun = 1_795_000_000_000_000;
            let next = |now| local.take(now, &[draw]).allowed;
            assert!((0..rate.limit).all(|_| next(begun)), "{profile} {rate}");
            assert!(!next(begun), "{profile} {rate}");
            // One more comes back in its share of the window, all of them in the window.
            assert!(!next(begun + draw.cost - 1), "{profile} {rate}");
            assert!(next(begun + draw.cost), "{profile} {rate}");
            assert!(!next(begun + draw.cost), "{profile} {rate}");
            let later = begun + 2 * draw.full;
            assert!((0..rate.limit).all(|_| next(later)), "{profile} {rate}");
            assert!(!next(later), "{profile} {rate}");
        }
        let wanted = match profile {
            "development" => LimitsProfile::Development,
            "production" => LimitsProfile::Production,
            _ => LimitsProfile::Sources,
        };
        assert_eq!(settings.limits_profile(), wanted);
    }
}

#[test]
fn strangers_fill_no_memory_and_do_not_wash_away_who_is_kept_out() {
    let local = Local::new(2_000);
    let (spent, fleeting) = (Quota::new(5, 900), Quota::new(60, 60));
    let draw = |bucket, name: &str, quota: Quota| Draw {
        counter: (bucket, Key::account(name)),
        full: quota.full(),
        cost: quota.cost(1),
    };
    let begun = 1_795_000_000_000_000;
    let guess = draw(Bucket::LoginAccount, "ada", spent);
    assert!((0..5).all(|_| local.take(begun, &[guess]).allowed));
    for stranger in 0..20_000_i64 {
        let name = stranger.to_string();
        local.take(
            begun + stranger,
            &[draw(Bucket::Anonymous, &name, fleeting)],
        );
        assert!(local.len() <= 2_000);
    }
    assert!(!local.take(begun + 20_000, &[guess]).allowed);
    // What is empty is forgotten: the next that come find room, and the memory shrinks.
    let later = begun + 3_600_000_000;
    for stranger in 0..1_000 {
        let name = format!("late {stranger}");
        local.take(later, &[draw(Bucket::Anonymous, &name, fleeting)]);
    }
    assert!(local.len() <= 1_001, "{}", local.len());
}
