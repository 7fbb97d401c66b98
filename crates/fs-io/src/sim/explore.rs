//! Running a test once for every sequence of choices.

/// Runs `test` once for every sequence of answers to the choices that it asks for: `choice(n)` answers `0..n`.
///
/// The test must ask the same questions after the same answers. Returns how many times it ran.
///
/// # Complexity
/// As many runs as there are leaves in the tree of choices.
pub fn explore(test: impl FnMut(&mut dyn FnMut(usize) -> usize)) -> usize {
    explore_up_to(usize::MAX, test)
}

/// As [`explore`], but stops after `limit` runs; it returns fewer when those were all.
pub fn explore_up_to(limit: usize, mut test: impl FnMut(&mut dyn FnMut(usize) -> usize)) -> usize {
    let mut answers: Vec<(usize, usize)> = Vec::new();
    let mut runs = 0;
    loop {
        let mut asked = 0;
        test(&mut |options| {
            if asked == answers.len() {
                answers.push((0, options.max(1)));
            }
            asked += 1;
            answers[asked - 1].0
        });
        runs += 1;
        answers.truncate(asked);
        while answers
            .last()
            .is_some_and(|(answer, options)| answer + 1 == *options)
        {
            answers.pop();
        }
        match answers.last_mut() {
            Some((answer, _)) => *answer += 1,
            None => return runs,
        }
        if runs == limit {
            return runs;
        }
    }
}
