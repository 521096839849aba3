//! Load on a node: a few questions, asked all the time, and what was answered when.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinHandle;
use wardkey_core::{Clock as _, SystemClock};

use super::client::{Client, Verdict};
use super::nodes::Node;

/// Between two questions: enough for the nodes to be at work, and to leave room on a small machine.
const PAUSE: Duration = Duration::from_millis(4);

/// A secret, and what it is needed for.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) secret: String,
    pub(super) permissions: &'static [&'static str],
}

/// An answer: when it was asked for, and when it had come. It was decided in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Moment {
    pub(super) asked: Duration,
    pub(super) heard: Duration,
}

/// What a node has said to one question.
#[derive(Debug, Clone, Default)]
pub(super) struct Heard {
    /// The very first answer.
    pub(super) first: Option<Verdict>,
    pub(super) last: Option<Verdict>,
    pub(super) last_granted: Option<Moment>,
    /// The first grant after the last answer that was none.
    pub(super) granted_since: Option<Moment>,
    /// Answers in a row that were the same as the last one.
    pub(super) repeated: usize,
    /// How long each answer took.
    pub(super) took: Vec<Duration>,
}

impl Heard {
    fn note(&mut self, verdict: Verdict, moment: Moment) {
        self.took.push(moment.heard.saturating_sub(moment.asked));
        self.repeated = if self.last.as_ref() == Some(&verdict) { self.repeated + 1 } else { 1 };
        if verdict == Verdict::Granted {
            self.last_granted = Some(moment);
            self.granted_since.get_or_insert(moment);
        } else {
            self.granted_since = None;
        }
        self.first.get_or_insert(verdict.clone());
        self.last = Some(verdict);
    }

    /// Whether the node says this, and has said so a few times.
    pub(super) fn settled_on(&self, verdict: &Verdict) -> bool {
        self.last.as_ref() == Some(verdict) && self.repeated >= 3
    }
}

type Book = Arc<Mutex<BTreeMap<usize, (Question, Heard)>>>;

/// Questions to one node. It ends when it is dropped.
pub(super) struct Load {
    book: Book,
    asking: Vec<JoinHandle<()>>,
}

impl Load {
    /// Begins to ask, on so many connections, by this clock.
    pub(super) fn on(node: &Node, key: &str, clock: SystemClock, connections: usize) -> Self {
        let book = Book::default();
        let asking = (0..connections)
            .map(|index| tokio::spawn(ask(Arc::clone(&book), node.client(key), clock, index, connections)))
            .collect();
        Self { book, asking }
    }

    /// Asks this too from now on.
    pub(super) fn add(&self, number: usize, question: Question) {
        self.book.lock().unwrap().insert(number, (question, Heard::default()));
    }

    /// What was answered to it.
    pub(super) fn heard(&self, number: usize) -> Heard {
        self.book.lock().unwrap()[&number].1.clone()
    }

    /// Asks it no more.
    pub(super) fn remove(&self, number: usize) {
        self.book.lock().unwrap().remove(&number);
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.asking.iter().for_each(JoinHandle::abort);
    }
}

/// Asks every question in turn whose number falls to this connection.
async fn ask(book: Book, mut client: Client, clock: SystemClock, index: usize, connections: usize) {
    let mut last = None;
    loop {
        let next = {
            let book = book.lock().unwrap();
            let mine = |(number, _): &(&usize, &(Question, Heard))| *number % connections == index;
            let after = book.iter().filter(mine).find(|(number, _)| last.is_none_or(|last| **number > last));
            after
                .or_else(|| book.iter().find(mine))
                .map(|(number, (question, _))| (*number, question.clone()))
        };
        if let Some((number, Question { secret, permissions })) = next {
            last = Some(number);
            let asked = clock.monotonic();
            let verdict = client.verify(&secret, permissions).await;
            let moment = Moment { asked, heard: clock.monotonic() };
            // A node that is gone says nothing.
            if let (Some(verdict), Some((_, heard))) = (verdict, book.lock().unwrap().get_mut(&number)) {
                heard.note(verdict, moment);
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}
