//! A fork as a small text graph: the newest on top, at the bottom where its streams start from.
//!
//! ```text
//! ○    N, on top
//! ├─╮
//! │ ●  A2, the head of branch 2
//! │ ○  A1
//! ● │  B1, the head of branch 1
//! ├─╯
//! ○    R, where the stream starts from
//! ```
//!
//! **Invariant**: each transaction of the fork stands in it once, above all that it descends from.

use std::collections::{BTreeMap, BTreeSet};

use fs_format::{StreamId, TransactionId};
use fs_merge::{ForkContext, ForkedStream, Transaction};
use renderdag::{Ancestor, BoxDrawingRenderer, GraphRowRenderer, Renderer};

use crate::output::plain_name;
use crate::view::fork::{decided, who};
use crate::view::wrap::wrap;
use crate::view::{View, in_order};

/// However deep the graph, there is so much room beside it.
const MIN_MESSAGE: usize = 40;

/// The head of a branch.
const HEAD: &str = "●";
/// A merge transaction, head or not.
const DECISION: &str = "◆";
/// Any other transaction.
const OTHER: &str = "○";
/// The beginning of a stream.
const BEGINNING: &str = "~";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Node {
    /// A transaction of the fork, or one that its streams start from.
    Transaction(TransactionId),
    /// Where there is nothing yet.
    Nothing,
}

/// Returns the lines of the graph.
pub(crate) fn draw(fork: &ForkContext, view: &View) -> Vec<String> {
    let order = in_order(fork);
    let bases = Bases::of(fork, &order);
    let mut pen = Pen {
        renderer: GraphRowRenderer::new().output().build_box_drawing(),
        view,
        lines: Vec::new(),
    };
    let labels = labels(fork);
    let below = edges(fork, &order, &bases);
    for (it, below) in order.iter().zip(below).rev() {
        let id = it.transaction_id;
        let is_head = fork.branch(id).is_some();
        let glyph = match (&it.decision, is_head) {
            (Some(_), _) => DECISION,
            (None, true) => HEAD,
            (None, false) => OTHER,
        };
        let label = labels.get(&id).map_or("", String::as_str);
        let first = format!("{id}  {label}, {}", view.time(it.created_at));
        let second = decided(it).unwrap_or_else(|| who(it));
        pen.row(Node::Transaction(id), below, glyph, &[first, second]);
    }
    for (id, streams) in bases.transactions.iter().rev() {
        let message = base_message(*id, streams, view);
        pen.row(Node::Transaction(*id), Vec::new(), OTHER, &message);
    }
    if !bases.beginning.is_empty() {
        let begin = bases.beginning.iter().map(|it| plain_name(it.as_str()));
        let begin = begin.collect::<Vec<_>>().join(", ");
        let message = [format!("nothing yet of {begin}")];
        pen.row(Node::Nothing, Vec::new(), BEGINNING, &message);
    }
    while pen.lines.last().is_some_and(|line| line.trim().is_empty()) {
        pen.lines.pop();
    }
    pen.lines
}

/// What the streams of a fork start from, other than its own transactions.
struct Bases<'a> {
    transactions: BTreeMap<TransactionId, Vec<&'a ForkedStream>>,
    beginning: Vec<&'a StreamId>,
}

impl<'a> Bases<'a> {
    fn of(fork: &'a ForkContext, order: &[&Transaction]) -> Self {
        let own: BTreeSet<_> = order.iter().map(|it| it.transaction_id).collect();
        let mut bases = Self {
            transactions: BTreeMap::new(),
            beginning: Vec::new(),
        };
        for stream in &fork.streams {
            for id in stream.fork_point.iter().filter(|id| !own.contains(id)) {
                bases.transactions.entry(*id).or_default().push(stream);
            }
            if stream.fork_point.is_empty() {
                bases.beginning.push(&stream.stream_id);
            }
        }
        bases
    }

    /// Returns what a stream starts from.
    fn below(&self, stream: &ForkedStream) -> Vec<Node> {
        if stream.fork_point.is_empty() {
            return vec![Node::Nothing];
        }
        let drawn = stream.fork_point.iter();
        let drawn = drawn.filter(|id| self.transactions.contains_key(id));
        drawn.map(|id| Node::Transaction(*id)).collect()
    }
}

/// What is known to lie below a transaction.
#[derive(Clone, Default)]
struct Below<'a> {
    /// The forked streams that are written or settled there.
    streams: BTreeSet<&'a StreamId>,
    bases: BTreeSet<Node>,
}

/// Returns for each transaction what it is drawn above: those it comes after, and what a stream starts from where
/// nothing of the fork below it takes part in the stream.
fn edges(fork: &ForkContext, order: &[&Transaction], bases: &Bases<'_>) -> Vec<Vec<Node>> {
    let mut known: BTreeMap<TransactionId, Below<'_>> = BTreeMap::new();
    let edges = order.iter().map(|it| {
        let mut below = Below::default();
        for under in it.after.iter().filter_map(|id| known.get(id)) {
            below.streams.extend(&under.streams);
            below.bases.extend(&under.bases);
        }
        let after = it.after.iter().filter(|id| known.contains_key(id));
        let mut edges: Vec<_> = after.map(|id| Node::Transaction(*id)).collect();
        for stream in fork.streams.iter().filter(|of| takes_part(it, of)) {
            let is_first = below.streams.insert(&stream.stream_id);
            let is_base = stream.fork_point.contains(&it.transaction_id);
            if is_first && !is_base {
                let new = bases.below(stream).into_iter();
                edges.extend(new.filter(|base| below.bases.insert(*base)));
            }
        }
        known.insert(it.transaction_id, below);
        edges
    });
    edges.collect()
}

fn takes_part(it: &Transaction, stream: &ForkedStream) -> bool {
    let mut written = it.events.iter().map(|event| &event.stream_id);
    it.settles.contains(&stream.stream_id) || written.any(|written| *written == stream.stream_id)
}

/// Says of each transaction where in the fork it stands.
fn labels(fork: &ForkContext) -> BTreeMap<TransactionId, String> {
    let mut labels = BTreeMap::new();
    for it in &fork.common {
        labels.insert(it.transaction_id, "below all branches".to_owned());
    }
    for it in &fork.on_top {
        labels.insert(it.transaction_id, "on top".to_owned());
    }
    for (nth, branch) in fork.branches.iter().enumerate() {
        for it in &branch.transactions {
            let label = labels.entry(it.transaction_id);
            label
                .and_modify(|label| label.push_str(&format!(" and {}", nth + 1)))
                .or_insert_with(|| format!("branch {}", nth + 1));
        }
    }
    labels
}

fn base_message(id: TransactionId, streams: &[&ForkedStream], view: &View) -> Vec<String> {
    let versions = streams.iter().map(|stream| {
        let name = plain_name(stream.stream_id.as_str());
        format!("{name} at version {}", stream.base_version)
    });
    let versions = versions.collect::<Vec<_>>().join(", ");
    let below = streams.iter().flat_map(|stream| &stream.events_below);
    match below.into_iter().find(|event| event.transaction_id == id) {
        Some(event) => vec![
            format!("{id}  {}", view.time(event.created_at)),
            format!("the fork starts from here: {versions}"),
        ],
        None => vec![id.to_string(), versions],
    }
}

type Rows = GraphRowRenderer<Node>;

struct Pen<'a> {
    renderer: BoxDrawingRenderer<Node, Rows>,
    view: &'a View,
    lines: Vec<String>,
}

impl Pen<'_> {
    fn row(&mut self, node: Node, below: Vec<Node>, glyph: &str, message: &[String]) {
        let parents: Vec<_> = below.into_iter().map(Ancestor::Parent).collect();
        let taken = self.renderer.width(Some(&node), Some(&parents));
        let taken = usize::try_from(taken).unwrap_or(usize::MAX);
        let room = self.view.width.saturating_sub(taken).max(MIN_MESSAGE);
        let message: Vec<_> = message.iter().flat_map(|line| wrap(line, room)).collect();
        let row = self
            .renderer
            .next_row(node, parents, glyph.to_owned(), message.join("\n"));
        self.lines.extend(row.lines().map(str::to_owned));
    }
}
