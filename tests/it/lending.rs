//! How connections to PostgreSQL are lent: one round trip for a statement, and nothing left behind.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, DatabaseBackend, Statement};
use serde_json::json;
use taskflow::db::{Db, DbError};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Barrier, Notify};
use tokio::time::timeout;
use url::Url;

use crate::support::Mode::Full;
use crate::support::process::PATIENCE;
use crate::support::{PASSWORD, TestApp};

/// Stands between a server and PostgreSQL, and counts how often one speaks and the other answers.
struct Relay {
    address: SocketAddr,
    turns: Arc<AtomicU64>,
}

impl Relay {
    async fn to(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let turns = Arc::new(AtomicU64::new(0));
        let counted = turns.clone();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(&target).await.unwrap();
                let (near_in, near_out) = near.into_split();
                let (far_in, far_out) = far.into_split();
                let asks = Arc::new(AtomicBool::new(false));
                let (turns, asking) = (counted.clone(), asks.clone());
                tokio::spawn(carry(near_in, far_out, move || {
                    if !asking.swap(true, Ordering::AcqRel) {
                        turns.fetch_add(1, Ordering::AcqRel);
                    }
                }));
                tokio::spawn(carry(far_in, near_out, move || {
                    asks.store(false, Ordering::Release);
                }));
            }
        });
        Self { address, turns }
    }

    /// How many round trips something takes.
    async fn trips<T>(&self, work: impl Future<Output = T>) -> u64 {
        let before = self.turns.load(Ordering::Acquire);
        work.await;
        self.turns.load(Ordering::Acquire) - before
    }
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    note: impl Fn(),
) -> Option<()> {
    let mut bytes = vec![0; 1 << 16];
    loop {
        let count = from
            .read(&mut bytes)
            .await
            .ok()
            .filter(|count| *count > 0)?;
        note();
        to.write_all(&bytes[..count]).await.ok()?;
    }
}

fn query(sql: &str) -> Statement {
    Statement::from_string(DatabaseBackend::Postgres, sql)
}

async fn reads(db: &Db) -> Result<i32, DbError> {
    let read = db.read(|db| async move {
        let row = db.query_one_raw(query("SELECT pg_backend_pid()")).await?;
        Ok::<_, DbError>(row.unwrap().try_get_by_index(0)?)
    });
    read.await
}

async fn writes(db: &Db, statements: u32) -> Result<(), DbError> {
    db.write(|tx| async move {
        for _ in 0..statements {
            tx.conn().execute_raw(query("SELECT 1")).await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_is_asked_of_the_database_costs_a_round_trip_for_each_statement() {
    let app = TestApp::start(Full).await;
    let mut url = Url::parse(&app.env["DATABASE_URL"]).unwrap();
    let port = url.port().unwrap_or(5432);
    let relay = Relay::to(format!("{}:{port}", url.host_str().unwrap())).await;
    url.set_ip_host(relay.address.ip()).unwrap();
    url.set_port(Some(relay.address.port())).unwrap();
    let replica = app.replica_with(&[("DATABASE_URL", url.as_str())]).await;
    let (ada, bob) = (replica.person("ada").await, replica.person("bob").await);
    let db = &replica.app.db;
    let create = json!({"title": "For Bob", "assigneeId": bob.id});
    let mutation = "mutation L($password: String!) {
        login(input: {identifier: \"ada\", password: $password}) { accessToken } }";
    let anybody = replica.anybody();
    let log_in = async || {
        let reply = anybody
            .graphql(mutation, json!({"password": PASSWORD}))
            .await;
        assert!(reply.data()["login"]["accessToken"].is_string());
    };
    // The first time each statement is prepared, and the server looks after itself now and then.
    let mut trips = [u64::MAX; 4];
    for _ in 0..4 {
        let these = [
            relay.trips(async { reads(db).await.unwrap() }).await,
            relay.trips(async { writes(db, 2).await.unwrap() }).await,
            relay.trips(ada.creates(create.clone())).await,
            relay.trips(log_in()).await,
        ];
        trips = std::array::from_fn(|place| trips[place].min(these[place]));
    }
    // A read; two statements, and what begins and ends their transaction; two statements; and five, of which
    // three are a transaction.
    assert_eq!(trips, [1, 4, 2, 7]);
}

#[tokio::test]
async fn a_transaction_that_is_left_in_the_middle_is_rolled_back_and_its_connection_used_again() {
    let app = TestApp::with(Full, &[("TASKFLOW_DATABASE__MAX_CONNECTIONS", "2")]).await;
    let db = &app.app.db;
    let locked = Notify::new();
    let lock = "SELECT pg_advisory_xact_lock(7)";
    let left = db.write(|tx| {
        let locked = &locked;
        async move {
            tx.conn().execute_raw(query(lock)).await?;
            locked.notify_one();
            std::future::pending::<Result<(), DbError>>().await
        }
    });
    tokio::select! {
        _ = left => unreachable!("it never ends"),
        () = locked.notified() => {}
    }
    let next = db.write(|tx| async move {
        tx.conn().execute_raw(query(lock)).await?;
        Ok::<_, DbError>(())
    });
    timeout(PATIENCE, next).await.unwrap().unwrap();
    let open = "SELECT count(*) FROM pg_stat_activity
        WHERE application_name = 'taskflow' AND datname = current_database()
        AND state LIKE 'idle in transaction%'";
    assert_eq!(app.number(open).await, 0);
}

#[tokio::test]
async fn more_people_than_connections_wait_for_their_turn() {
    let app = TestApp::with(Full, &[("TASKFLOW_DATABASE__MAX_CONNECTIONS", "2")]).await;
    let db = &app.app.db;
    let all = (0..50).map(async |number: u32| {
        writes(db, number % 3).await?;
        reads(db).await
    });
    let served = join_all(all).await;
    assert!(served.iter().all(Result::is_ok), "{served:?}");
    let open = "SELECT count(*) FROM pg_stat_activity
        WHERE application_name = 'taskflow' AND datname = current_database()";
    assert!(app.number(open).await <= 2);
}

/// As when PostgreSQL was started anew: all connections are dead, however many there were.
#[tokio::test]
async fn nobody_hears_of_connections_that_died_while_nothing_was_asked() {
    let app = TestApp::start(Full).await;
    let db = &app.app.db;
    for work in ["read", "write"] {
        let all_at_once = Barrier::new(5);
        let opened = (0..5).map(|_| {
            db.write(|tx| {
                let all_at_once = &all_at_once;
                async move {
                    tx.conn().execute_raw(query("SELECT 1")).await?;
                    all_at_once.wait().await;
                    Ok::<_, DbError>(())
                }
            })
        });
        for opened in join_all(opened).await {
            opened.unwrap();
        }
        let kill = "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity
            WHERE application_name = 'taskflow' AND datname = current_database()";
        assert_eq!(app.number(kill).await, 5);
        match work {
            "read" => drop(reads(db).await.unwrap()),
            _ => writes(db, 1).await.unwrap(),
        }
    }
}
