//! What many ask of the database at the same moment goes as one: while one round is under way, whoever
//! comes waits for the next. So a round is as large as the database is busy, and who is alone waits for nobody.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use tokio::sync::oneshot::{self, Sender};

/// The most of one round: what a transaction writes stays small, and so does what one failure concerns.
const MOST: usize = 100;

/// Where those meet who ask the same of the database.
pub struct Together<Q, A>(Arc<Mutex<Waiting<Q, A>>>);

struct Waiting<Q, A> {
    questions: Vec<(Q, Sender<A>)>,
    /// Whether rounds are under way.
    is_busy: bool,
}

impl<Q, A> Default for Together<Q, A> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Waiting {
            questions: Vec::new(),
            is_busy: false,
        })))
    }
}

impl<Q, A> fmt::Debug for Together<Q, A> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Together")
    }
}

impl<Q: Clone + Send + 'static, A: Send + 'static> Together<Q, A> {
    /// Asks. `round` is given `with` and what several ask, and answers each in the same order. When it fails, each of them
    /// asks again alone: what is wrong with one is no other's failure, and each hears its own. None when there is
    /// no answer.
    ///
    /// A round runs by itself: it comes to its end when those who asked go away in the middle.
    ///
    /// # Errors
    /// What a round for this question alone answered.
    pub async fn ask<C, E, F, R>(&self, with: &C, question: Q, round: F) -> Result<Option<A>, E>
    where
        C: Clone + Send + Sync + 'static,
        E: 'static,
        F: Fn(C, Vec<Q>) -> R + Copy + Send + Sync + 'static,
        R: Future<Output = Result<Vec<A>, E>> + Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        let is_first = {
            let mut waiting = lock(&self.0);
            waiting.questions.push((question.clone(), tell));
            !std::mem::replace(&mut waiting.is_busy, true)
        };
        if is_first {
            tokio::spawn(rounds(self.0.clone(), with.clone(), round));
        }
        match told.await {
            Ok(answer) => Ok(Some(answer)),
            Err(_) => Ok(round(with.clone(), vec![question]).await?.pop()),
        }
    }
}

/// Goes on until nobody waits.
async fn rounds<C, Q, A, E, F, R>(waiting: Arc<Mutex<Waiting<Q, A>>>, with: C, round: F)
where
    C: Clone,
    F: Fn(C, Vec<Q>) -> R,
    R: Future<Output = Result<Vec<A>, E>>,
{
    loop {
        // Those who are about to ask, as all that began with the first, come along.
        tokio::task::yield_now().await;
        let asked: Vec<_> = {
            let mut waiting = lock(&waiting);
            // Who went away asks nothing any more.
            waiting.questions.retain(|(_, tell)| !tell.is_closed());
            if waiting.questions.is_empty() {
                waiting.is_busy = false;
                return;
            }
            let most = MOST.min(waiting.questions.len());
            waiting.questions.drain(..most).collect()
        };
        let (questions, tell): (Vec<_>, Vec<_>) = asked.into_iter().unzip();
        // A panic is a failure, and not the end of all rounds.
        let answers =
            AssertUnwindSafe(async { round(with.clone(), questions).await }).catch_unwind();
        let answers = match answers.await {
            Ok(Ok(answers)) => answers,
            Ok(Err(_)) | Err(_) => Vec::new(),
        };
        for (tell, answer) in tell.into_iter().zip(answers) {
            drop(tell.send(answer));
        }
    }
}

/// Nobody panics while holding the lock.
fn lock<Q, A>(waiting: &Mutex<Waiting<Q, A>>) -> MutexGuard<'_, Waiting<Q, A>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;

    use super::{MOST, Together};

    #[tokio::test]
    async fn who_asks_while_a_round_is_under_way_is_answered_by_the_next() {
        let (together, rounds) = (Together::default(), Arc::new(AtomicUsize::new(0)));
        let doubled = |rounds: Arc<AtomicUsize>, numbers: Vec<usize>| async move {
            rounds.fetch_add(1, Ordering::Relaxed);
            Ok::<Vec<usize>, ()>(numbers.into_iter().map(|number| 2 * number).collect())
        };
        let asked = (0..3 * MOST).map(|number| together.ask(&rounds, number, doubled));
        for (number, answer) in join_all(asked).await.into_iter().enumerate() {
            assert_eq!(answer, Ok(Some(2 * number)));
        }
        assert_eq!(rounds.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn what_is_wrong_with_one_is_no_others_failure() {
        let together = Together::default();
        let round = |(), numbers: Vec<u32>| async move {
            assert!(
                numbers.len() == 1 || !numbers.contains(&7),
                "this panic belongs to the test"
            );
            if numbers.contains(&8) {
                return Err("eight");
            }
            Ok(numbers)
        };
        let ask = |number| together.ask(&(), number, round);
        let answers = join_all([ask(1), ask(8)]).await;
        assert_eq!(answers, [Ok(Some(1)), Err("eight")]);
        let answers = join_all([ask(1), ask(7)]).await;
        assert_eq!(answers, [Ok(Some(1)), Ok(Some(7))]);
    }
}
