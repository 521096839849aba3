//! Two things measured in turns, in one run, by the processor time of the thread that does them: who else uses the
//! machine then disturbs both alike, and neither much.

use std::sync::Barrier;
use std::time::Duration;

/// So many steps are a turn, at most.
const STEPS: usize = 10_000;
/// So many turns are taken at least.
const TURNS: usize = 201;
/// Of two threads a turn is short, or it would hardly ever be that neither is interrupted.
const STEPS_AT_ONCE: usize = 500;
const TURNS_AT_ONCE: usize = 2001;

/// One turn of each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair {
    baseline: Duration,
    subject: Duration,
    steps: usize,
}

impl Pair {
    pub(crate) fn ratio(&self) -> f64 {
        self.subject.as_secs_f64() / self.baseline.as_secs_f64()
    }

    pub(crate) fn baseline_nanos(&self) -> f64 {
        self.baseline.as_secs_f64() * 1e9 / self.steps as f64
    }

    pub(crate) fn subject_nanos(&self) -> f64 {
        self.subject.as_secs_f64() * 1e9 / self.steps as f64
    }
}

/// What is asked of each pair, over all of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    /// A tenth of the turns were better than this: those that were disturbed least.
    pub(crate) best_tenth: f64,
}

impl Spread {
    pub(crate) fn of(pairs: &[Pair], ask: impl Fn(&Pair) -> f64) -> Self {
        let mut values: Vec<f64> = pairs.iter().map(ask).collect();
        values.sort_by(f64::total_cmp);
        Self { median: values[values.len() / 2], best_tenth: values[values.len() / 10] }
    }

    /// A figure that does not vary.
    pub(crate) fn exactly(value: f64) -> Self {
        Self { median: value, best_tenth: value }
    }
}

/// The baseline and the subject in turns, over the same items: all of them, again and again.
pub(crate) fn paired<T>(items: &[T], baseline: impl Fn(&T), subject: impl Fn(&T)) -> Vec<Pair> {
    let rounds = TURNS.div_ceil(items.len() / STEPS);
    // The first round only warms up.
    let chunks = (0..=rounds).flat_map(|round| items.chunks_exact(STEPS).map(move |chunk| (round, chunk)));
    let pairs = chunks.enumerate().filter_map(|(turn, (round, chunk))| {
        // Who goes second finds the items closer at hand; so they take turns in that, too.
        let (baseline, subject) = if turn % 2 == 0 {
            let first = time(|| chunk.iter().for_each(&baseline));
            (first, time(|| chunk.iter().for_each(&subject)))
        } else {
            let first = time(|| chunk.iter().for_each(&subject));
            (time(|| chunk.iter().for_each(&baseline)), first)
        };
        (round > 0).then_some(Pair { baseline, subject, steps: STEPS })
    });
    pairs.collect()
}

/// One thread (the baseline) and two at the same time (the subject: the mean of the two), in turns, on different items.
/// A turn in which a thread had to wait for a processor was not at the same time, and does not count.
pub(crate) fn at_once<T: Sync>(items: &[T], step: impl Fn(&T) + Sync) -> Vec<Pair> {
    let (ours, theirs) = items.split_at(items.len() / 2);
    let (start, end) = (Barrier::new(2), Barrier::new(2));
    let turn = |items: &[T], turn: usize| {
        let at = turn * STEPS_AT_ONCE % items.len();
        let chunk = &items[at..items.len().min(at + STEPS_AT_ONCE)];
        let began = wall_clock();
        let took = time(|| chunk.iter().for_each(&step));
        (took, wall_clock() - began < took + took / 10)
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            let mut turns = Vec::new();
            for number in 0..TURNS_AT_ONCE {
                start.wait();
                turns.push(turn(theirs, number));
                end.wait();
            }
            turns
        });
        let mut own = Vec::new();
        for number in 0..TURNS_AT_ONCE {
            // Before or after the two, in turns: who has just been waiting finds less in the caches.
            let before = (number % 2 == 0).then(|| turn(ours, number).0);
            start.wait();
            let with_company = turn(ours, number);
            end.wait();
            let alone = before.unwrap_or_else(|| turn(ours, number).0);
            own.push((alone, with_company));
        }
        let other = other.join().expect("the other thread does the same");
        let pairs =
            own.into_iter().zip(other).filter_map(|((alone, (own, own_whole)), (other, other_whole))| {
                let pair = Pair { baseline: alone, subject: (own + other) / 2, steps: STEPS_AT_ONCE };
                (own_whole && other_whole).then_some(pair)
            });
        pairs.collect()
    })
}

fn time(run: impl FnOnce()) -> Duration {
    let began = thread_clock();
    run();
    thread_clock() - began
}

/// The processor time of this thread, where the system tells; else the time that passes.
#[cfg(target_os = "linux")]
fn thread_clock() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

#[cfg(not(target_os = "linux"))]
fn thread_clock() -> Duration {
    wall_clock()
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn wall_clock() -> Duration {
    static START: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    START.elapsed()
}
