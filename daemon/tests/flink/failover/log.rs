//! What a JobManager's own log tells, with the millisecond of it.

const DAY: u64 = 24 * 3_600_000;

/// The log of all JobManagers of a cluster, one line after another.
pub(super) struct Log {
    lines: Vec<(u64, String)>,
}

impl Log {
    /// Reads `text`, whose lines begin with the time of the day in UTC. Nothing in it is older than half a day.
    pub(super) fn read(text: &str, now: u64) -> Self {
        let stamped = text.lines().filter_map(|line| Some((at(line, now)?, line.to_owned())));
        Self { lines: stamped.collect() }
    }

    /// When checkpoints of a job were triggered, not before `since`, in milliseconds since 1970.
    pub(super) fn triggers(&self, job: &str, since: u64) -> Vec<u64> {
        let end = format!("for job {job}.");
        let lines = self.lines.iter().filter(|(_, line)| line.ends_with(&end));
        let triggered = lines.filter_map(|(_, line)| {
            let (_, rest) = line.split_once("Triggering checkpoint ")?;
            rest.split_once(" @ ")?.1.split(' ').next()?.parse().ok()
        });
        triggered.filter(|at| *at >= since).collect()
    }

    /// When the job's newest coordinator was built, if that was not before `since`: what is logged right before it,
    /// so that it is not older than this.
    pub(super) fn built(&self, job: &str, since: u64) -> Option<u64> {
        self.last(since, &["Running initialization on master for job ", &format!("({job})")])
    }

    /// When the job last went over to RUNNING, if that was not before `since`.
    pub(super) fn runs(&self, job: &str, since: u64) -> Option<u64> {
        self.last(since, &[&format!("({job}) switched from state "), " to RUNNING"])
    }

    /// When checkpoints were triggered with the submitted values: all those that do not come from the override, as
    /// nothing is due by it for a thousand hours. Some releases begin with a checkpoint at once when a job begins
    /// to run, whatever its interval; that one is judged by whether the override `held` then.
    pub(super) fn wrong(
        &self,
        job: &str,
        since: u64,
        begins_at_once: bool,
        held: impl Fn(u64) -> bool,
    ) -> Vec<u64> {
        let triggers = self.triggers(job, since);
        let is_first = |at: u64| {
            let begun = self.last_until(at, &[&format!("({job}) switched from state "), " to RUNNING"]);
            begun.is_some_and(|begun| !triggers.iter().any(|other| (begun..at).contains(other)))
        };
        triggers.iter().copied().filter(|at| !(begins_at_once && is_first(*at) && held(*at))).collect()
    }

    /// Whether the job's master was stopped since then.
    pub(super) fn lost_leadership(&self, job: &str, since: u64) -> bool {
        self.last(since, &["Stopping the JobMaster for job ", &format!("({job})")]).is_some()
    }

    fn last(&self, since: u64, parts: &[&str]) -> Option<u64> {
        self.last_until(u64::MAX, parts).filter(|at| *at >= since)
    }

    fn last_until(&self, until: u64, parts: &[&str]) -> Option<u64> {
        let found = |line: &str| parts.iter().all(|part| line.contains(part));
        self.lines.iter().rev().find(|(at, line)| *at <= until && found(line)).map(|(at, _)| *at)
    }
}

/// `12:34:56,789 …` on the day that is nearest to `now`.
fn at(line: &str, now: u64) -> Option<u64> {
    let (time, _) = line.split_once(' ')?;
    let (time, millis) = time.split_once(',')?;
    let mut parts = time.split(':').map(|part| part.parse::<u64>().ok());
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    let of_day = ((hours * 60 + minutes) * 60 + seconds) * 1_000 + millis.parse::<u64>().ok()?;
    let today = now - now % DAY + of_day;
    Some(match today {
        tomorrow if tomorrow > now + DAY / 2 => tomorrow - DAY,
        yesterday if yesterday + DAY / 2 < now => yesterday + DAY,
        today => today,
    })
}
