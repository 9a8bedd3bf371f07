//! Circles in a graph of files.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use super::modules::Edge;

/// A set of files each of which reaches every other.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Circle<'a> {
    /// A shortest way round, whose last edge leads to where the first begins.
    pub(super) way: Vec<&'a Edge>,
    /// All files of the circle, those of the way included.
    pub(super) files: BTreeSet<&'a Path>,
    /// Every use between them, one for each pair of files.
    pub(super) edges: Vec<&'a Edge>,
}

/// All circles, in the order of their first files.
pub(super) fn find(edges: &[Edge]) -> Vec<Circle<'_>> {
    let mut graph: BTreeMap<&Path, BTreeMap<&Path, &Edge>> = BTreeMap::new();
    for edge in edges {
        graph.entry(&edge.from).or_default().entry(&edge.to).or_insert(edge);
    }
    let reached: BTreeMap<&Path, BTreeSet<&Path>> = graph.keys().map(|file| (*file, reach(&graph, file))).collect();
    let reaches = |from: &Path, to: &Path| reached.get(from).is_some_and(|files| files.contains(to));
    let mut seen: BTreeSet<&Path> = BTreeSet::new();
    let mut found = Vec::new();
    for file in graph.keys() {
        if seen.contains(file) || !reaches(file, file) {
            continue;
        }
        let files: BTreeSet<&Path> =
            graph.keys().copied().filter(|other| reaches(file, other) && reaches(other, file)).collect();
        seen.extend(&files);
        let ways = files.iter().filter_map(|start| way_round(&graph, start));
        let way = ways.min_by_key(Vec::len).unwrap_or_default();
        let inside = graph.iter().filter(|(from, _)| files.contains(*from)).flat_map(|(_, targets)| targets);
        let edges = inside.filter(|(to, _)| files.contains(*to)).map(|(_, edge)| *edge).collect();
        found.push(Circle { way, files, edges });
    }
    found
}

impl Circle<'_> {
    /// `a.rs → b.rs → a.rs`, then a line for each edge, then the files that are not on this way.
    pub(super) fn describe(&self, package: &str) -> String {
        let mut names: Vec<String> = self.way.iter().map(|edge| edge.from.display().to_string()).collect();
        names.extend(names.first().cloned());
        let mut text = format!("{package}: {}", names.join(" → "));
        for edge in &self.way {
            text.push_str(&format!("\n    {}:{}", edge.from.display(), edge.mention));
        }
        let on_way: BTreeSet<&PathBuf> = self.way.iter().map(|edge| &edge.from).collect();
        let others = self.files.iter().filter(|file| !on_way.iter().any(|on| on == file));
        let others: Vec<String> = others.map(|file| file.display().to_string()).collect();
        if !others.is_empty() {
            text.push_str(&format!("\n    on other ways round: {}", others.join(", ")));
        }
        text
    }
}

/// The files that one or more steps lead to.
fn reach<'a>(graph: &BTreeMap<&'a Path, BTreeMap<&'a Path, &'a Edge>>, start: &Path) -> BTreeSet<&'a Path> {
    let mut reached = BTreeSet::new();
    let mut open = vec![start];
    while let Some(file) = open.pop() {
        for next in graph.get(file).into_iter().flat_map(BTreeMap::keys) {
            if reached.insert(*next) {
                open.push(next);
            }
        }
    }
    reached
}

/// A shortest way from a file back to itself.
fn way_round<'a>(graph: &BTreeMap<&'a Path, BTreeMap<&'a Path, &'a Edge>>, start: &'a Path) -> Option<Vec<&'a Edge>> {
    let mut came_by: BTreeMap<&Path, &Edge> = BTreeMap::new();
    let mut open = VecDeque::from([start]);
    while let Some(file) = open.pop_front() {
        for (next, edge) in graph.get(file).into_iter().flatten() {
            if came_by.contains_key(next) {
                continue;
            }
            came_by.insert(*next, *edge);
            if *next == start {
                let mut way = vec![*edge];
                while let Some(first) = way.first().filter(|first| first.from != start) {
                    way.insert(0, came_by.get(first.from.as_path()).copied()?);
                }
                return Some(way);
            }
            open.push_back(next);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &str)]) -> Vec<Edge> {
        let edge = |(from, to): &(&str, &str)| Edge {
            from: PathBuf::from(from),
            to: PathBuf::from(to),
            mention: format!("1: crate::{to}"),
        };
        edges.iter().map(edge).collect()
    }

    #[test]
    fn files_in_layers_have_no_circle() {
        assert!(find(&graph(&[("a", "b"), ("a", "c"), ("b", "c")])).is_empty());
    }

    #[test]
    fn a_circle_is_named_with_its_uses() {
        let edges = graph(&[("main", "app"), ("app", "serve"), ("serve", "app"), ("serve", "json")]);
        let found = find(&edges);
        assert_eq!(found.len(), 1);
        assert_eq!(
            found[0].describe("tt-http"),
            "tt-http: app → serve → app\n    app:1: crate::serve\n    serve:1: crate::app"
        );
    }

    #[test]
    fn the_shortest_way_is_shown_and_the_other_files_named() {
        let edges = graph(&[("a", "b"), ("b", "c"), ("c", "a"), ("c", "b"), ("x", "y"), ("y", "x")]);
        let found: Vec<String> = find(&edges).iter().map(|circle| circle.describe("t")).collect();
        assert_eq!(found.len(), 2);
        assert!(found[0].starts_with("t: b → c → b\n"), "{}", found[0]);
        assert!(found[0].ends_with("\n    on other ways round: a"), "{}", found[0]);
        assert!(found[1].starts_with("t: x → y → x\n"), "{}", found[1]);
    }

    #[test]
    fn a_long_way_round_is_followed_to_its_end() {
        let edges = graph(&[("a", "b"), ("b", "c"), ("c", "d"), ("d", "a")]);
        assert!(find(&edges)[0].describe("t").starts_with("t: a → b → c → d → a\n"));
    }
}
