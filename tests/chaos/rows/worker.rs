//! What happens to those who do jobs, and to the mail server.

use std::time::{Duration, Instant};

use entity::job::{self, State};
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter};
use tokio::time::timeout;
use uuid::Uuid;

use crate::pause;
use crate::scene::Scene;
use crate::site::{LEASE, Mode};
use crate::support::smtp::Behaviour;

/// R1: any process dies after a commit and before the hint, or with a job in its hands.
pub async fn deaths(scene: &mut Scene) {
    while scene.goes_on() {
        let index = scene.dice.below(scene.site.count());
        let works = index >= scene.site.worker();
        let point = if works && scene.dice.percent(50) {
            "job_begun"
        } else {
            "after_commit"
        };
        let turn = 1 + scene.dice.below(8);
        let begun = Instant::now();
        scene.site.again(index, &format!("{point}:{turn}")).await;
        scene.site.ends(index, Duration::from_secs(4)).await;
        scene.site.again(index, "").await;
        if works {
            scene.site.doubt_since(begun);
        }
        pause(scene.dice.millis(100, 500)).await;
    }
}

/// R2: the worker dies at one mail. Only after the final dot may that mail come twice.
pub async fn deaths_while_sending(scene: &mut Scene) {
    let worker = scene.site.worker();
    let mut round = scene.dice.below(3);
    while scene.goes_on() {
        round += 1;
        match round % 3 {
            0 => {
                scene.site.stop(worker).await;
                let turn = 1 + scene.dice.below(3);
                scene.site.run(worker, &format!("before_data:{turn}"));
                dies_itself(scene).await;
            }
            1 => {
                scene.site.stop(worker).await;
                let begun = Instant::now();
                let turn = 1 + scene.dice.below(3);
                scene.site.run(worker, &format!("after_answer:{turn}"));
                dies_itself(scene).await;
                scene.site.doubt_since(begun);
            }
            _ => {
                let begun = Instant::now();
                if a_mail_stalls(scene).await {
                    scene.site.kill(worker).await;
                }
                scene.site.smtp.release();
                scene.site.again(worker, "").await;
                scene.site.doubt_since(begun);
            }
        }
    }
}

/// The armed worker dies at its mail, and another takes its place.
async fn dies_itself(scene: &mut Scene) {
    let worker = scene.site.worker();
    if !scene.site.ends(worker, Duration::from_secs(15)).await {
        scene.site.stop(worker).await;
    }
    scene.site.run(worker, "");
}

/// The mail server takes one mail and does not say so. Whether that happened in time.
async fn a_mail_stalls(scene: &Scene) -> bool {
    scene.site.smtp.behave(Behaviour::StallAfterDot);
    let stalled = async { while scene.site.smtp.next_attempt().await.reason != "stalled" {} };
    timeout(Duration::from_secs(15), stalled).await.is_ok()
}

/// R3: a worker sleeps with a mail in its hands until another has sent it, and then goes on.
pub async fn sleeps(scene: &mut Scene) {
    let (sleeper, other) = (scene.site.worker(), scene.site.worker() + 1);
    while scene.goes_on() {
        scene.site.stop(other).await;
        let begun = Instant::now();
        if a_mail_stalls(scene).await {
            scene.site.signal(sleeper, "STOP");
            scene.site.run(other, "");
            pause(Duration::from_secs(LEASE + 2)).await;
            // The answer is there when it wakes up: it says "sent", and nobody listens.
            scene.site.smtp.release();
            pause(Duration::from_millis(200)).await;
            scene.site.signal(sleeper, "CONT");
        } else {
            scene.site.run(other, "");
        }
        pause(scene.dice.millis(500, 1_500)).await;
        scene.site.doubt_since(begun);
    }
}

/// R9: one job ends its process each time. It is given up; every other job is done.
pub async fn poison(scene: &mut Scene) {
    let worker = scene.site.worker();
    let db = scene.site.sql().await;
    // Mails wait, so that there is a job to choose: when nobody is left who could be done with it meanwhile.
    scene.site.to_smtp.refuse(true);
    scene.site.to_smtp.cut();
    let chosen = loop {
        pause(Duration::from_millis(50)).await;
        if waiting_mail(&db).await.is_none() {
            continue;
        }
        scene.site.stop(worker).await;
        match waiting_mail(&db).await {
            Some(job) => break job,
            None => scene.site.run(worker, ""),
        }
    };
    forgive(scene, &db, &chosen).await;
    let begun = Instant::now();
    let failpoint = format!("job_begun:{}", chosen.id.0);
    scene.site.run(worker, &failpoint);
    scene.site.to_smtp.refuse(false);
    loop {
        let row = job::Entity::find_by_id(chosen.id)
            .one(&db)
            .await
            .ok()
            .flatten();
        let is_dead = row.as_ref().is_some_and(|row| row.state == State::Dead);
        if is_dead && !scene.goes_on() {
            let crashes = row.map_or(0, |row| row.crash_count);
            if crashes != 3 {
                scene
                    .ledger
                    .violated(format!("the job is dead after {crashes} crashes"));
            }
            break;
        }
        // On a busy machine each start takes seconds, and a lease has to end before each.
        if begun.elapsed() > Duration::from_mins(3) {
            scene
                .ledger
                .violated("the job that kills its process is not dead".to_owned());
            break;
        }
        if scene.site.ends(worker, Duration::from_millis(100)).await {
            scene.site.run(worker, &failpoint);
        }
    }
    scene.site.doubt_since(begun);
    let dead = job::Entity::find()
        .filter(job::Column::State.eq(State::Dead))
        .all(&db)
        .await;
    let dead = dead.map_or(0, |rows| rows.len());
    if dead != 1 {
        scene.ledger.violated(format!(
            "{dead} jobs are dead, and only one kills its process"
        ));
    }
}

/// The job of a mail that could not be sent yet.
async fn waiting_mail(db: &DatabaseConnection) -> Option<job::Model> {
    let waiting = job::Entity::find()
        .filter(job::Column::Kind.eq("deliver"))
        .filter(job::Column::State.eq(State::Ready));
    waiting.one(db).await.ok().flatten()
}

/// The mail of a job is not to be sent.
async fn forgive(scene: &Scene, db: &DatabaseConnection, job: &job::Model) {
    let id = job.payload["delivery_id"]
        .as_str()
        .and_then(|id| Uuid::parse_str(id).ok());
    let id = entity::DeliveryId(id.expect("a delivery"));
    let delivery = entity::delivery::Entity::find_by_id(id)
        .one(db)
        .await
        .ok()
        .flatten();
    let delivery = delivery.expect("a delivery");
    scene
        .ledger
        .forgive(delivery.event_id.0, delivery.recipient_id.0);
}

/// R10: 535 for a while. No attempt is burnt, and afterwards every mail leaves.
pub async fn refused(scene: &mut Scene) {
    let db = scene.site.sql().await;
    pause(Duration::from_millis(500)).await;
    scene.site.smtp.behave_by_default(Behaviour::Fail535);
    scene.calm().await;
    let waiting = job::Entity::find()
        .filter(job::Column::Kind.eq("deliver"))
        .filter(job::Column::State.ne(State::Done))
        .all(&db)
        .await
        .unwrap_or_default();
    let most = waiting
        .iter()
        .map(|job| job.attempt)
        .max()
        .unwrap_or_default();
    // The first may have been the one that found out, and another one looks whether it is over.
    if most > 2 {
        scene.ledger.violated(format!(
            "{most} attempts were burnt while our password was refused"
        ));
    }
    if waiting.is_empty() {
        scene.ledger.violated("no mail waited".to_owned());
    }
    scene.site.smtp.behave_by_default(Behaviour::Accept);
}

/// R14: one of two workers believes that it is an hour later. It takes no job of the other.
pub async fn clock_jumps(scene: &mut Scene) {
    debug_assert_eq!(
        scene.site.mode,
        Mode::Postgres,
        "on SQLite there is one clock"
    );
    let other = scene.site.worker() + 1;
    scene.site.stop(other).await;
    scene.site.run(other, "clock_ahead");
    // Leases are held for a while.
    scene.site.to_smtp.delay(60);
    scene.calm().await;
    scene.site.to_smtp.delay(0);
}
