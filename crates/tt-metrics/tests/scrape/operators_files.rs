//! The files in `docker/grafana/`: each query of the dashboard and of the alert rules names metrics that are served, and
//! labels that they have.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::fixtures::scrape;
use crate::readings::{all, busy};

/// The labels that every series has in Prometheus beside its own.
const OF_PROMETHEUS: [&str; 2] = ["job", "instance"];

/// Words of PromQL that are followed by a list of labels.
const LISTS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// Other words of PromQL.
const WORDS: [&str; 6] = ["and", "or", "unless", "offset", "bool", "inf"];

fn file(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docker/grafana").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

type Served = BTreeMap<String, BTreeSet<String>>;

/// The names that are served, each with its labels.
fn served() -> Served {
    let read = scrape(&busy(), &all());
    let owned = |labels: BTreeSet<&str>| labels.into_iter().map(str::to_owned).collect();
    read.labels().into_iter().map(|(name, labels)| (name.to_owned(), owned(labels))).collect()
}

/// A part of a query.
#[derive(Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Text,
    Sign(char),
}

fn tokens(query: &str) -> Vec<Token> {
    let (mut tokens, mut letters) = (Vec::new(), query.chars().peekable());
    while let Some(letter) = letters.next() {
        match letter {
            '"' => {
                while let Some(inner) = letters.next() {
                    match inner {
                        '\\' => drop(letters.next()),
                        '"' => break,
                        _ => {}
                    }
                }
                tokens.push(Token::Text);
            }
            // A length of time, or a variable of Grafana's.
            '[' => letters.by_ref().take_while(|inner| *inner != ']').for_each(drop),
            _ if letter.is_ascii_alphanumeric() || "_.$:".contains(letter) => {
                let mut word = String::from(letter);
                while let Some(more) = letters.next_if(|more| more.is_ascii_alphanumeric() || "_.:".contains(*more)) {
                    word.push(more);
                }
                if word.starts_with(|first: char| first.is_ascii_alphabetic()) {
                    tokens.push(Token::Word(word));
                }
            }
            _ if letter.is_whitespace() => {}
            _ => tokens.push(Token::Sign(letter)),
        }
    }
    tokens
}

/// The words up to the closing sign, and the position after it.
fn words_until(tokens: &[Token], mut at: usize, close: char) -> (Vec<&str>, usize) {
    let mut words = Vec::new();
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token {
            Token::Word(word) => words.push(word.as_str()),
            Token::Sign(sign) if *sign == close => break,
            _ => {}
        }
    }
    (words, at)
}

/// Holds a query against what is served. The error says what is wrong with it.
fn check(query: &str, served: &Served) -> Result<(), String> {
    let tokens = tokens(query);
    let (mut known, mut grouped): (BTreeSet<&str>, Vec<&str>) = (OF_PROMETHEUS.into(), Vec::new());
    let (mut at, mut metrics) = (0, 0);
    while let Some(token) = tokens.get(at) {
        at += 1;
        let Token::Word(word) = token else { continue };
        let next = tokens.get(at);
        if LISTS.contains(&word.as_str()) && next == Some(&Token::Sign('(')) {
            let (labels, after) = words_until(&tokens, at + 1, ')');
            grouped.extend(labels);
            at = after;
        } else if matches!(next, Some(Token::Word(next)) if LISTS.contains(&next.as_str()))
            || next == Some(&Token::Sign('('))
            || WORDS.contains(&word.as_str())
        {
            // A sum or its like, a function, or a word.
        } else {
            let labels = served.get(word).ok_or_else(|| format!("{word} is not served"))?;
            metrics += 1;
            known.extend(labels.iter().map(String::as_str));
            if next == Some(&Token::Sign('{')) {
                let (matched, after) = words_until(&tokens, at + 1, '}');
                let has = |label: &&&str| labels.contains(**label) || OF_PROMETHEUS.contains(label);
                if let Some(wrong) = matched.iter().find(|label| !has(label)) {
                    return Err(format!("{word} has no label {wrong}"));
                }
                at = after;
            }
        }
    }
    match grouped.iter().find(|label| !known.contains(**label)) {
        _ if metrics == 0 => Err("it names no metric".to_owned()),
        Some(wrong) => Err(format!("no metric has the label {wrong}")),
        None => Ok(()),
    }
}

/// Every text under the name `expr` in a dashboard.
fn expressions<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == "expr" => found.push(text),
                    other => expressions(other, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| expressions(value, found)),
        _ => {}
    }
}

#[test]
fn each_query_of_the_dashboard_names_what_is_served() {
    let (dashboard, served) = (file("dashboards/tokentracer.json"), served());
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let mut queries = Vec::new();
    expressions(&dashboard, &mut queries);
    assert!(queries.len() > 20, "only {} queries", queries.len());
    for query in &queries {
        check(query, &served).unwrap_or_else(|wrong| panic!("{wrong}: {query}"));
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        let Some(query) = variable["query"]["query"].as_str().or(variable["query"].as_str()) else { continue };
        let Some(inner) = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')')) else { continue };
        let (metric, label) = inner.rsplit_once(", ").unwrap();
        assert!(OF_PROMETHEUS.contains(&label) || served[metric].contains(label), "{query}");
    }
    // Each family has a place on it.
    let shown = queries.join(" ");
    for name in served.keys().filter(|name| !name.ends_with("_sum") && !name.ends_with("_count")) {
        assert!(shown.contains(name.as_str()), "{name} is not on the dashboard");
    }
}

#[test]
fn each_alert_names_what_is_served_and_says_what_to_do() {
    let (rules, served) = (file("alerts.yml"), served());
    let value = |line: &'static str| move |text: &str| text.trim_start().strip_prefix(line).map(str::to_owned);
    let queries: Vec<String> = rules.lines().filter_map(value("expr: ")).collect();
    let alerts: Vec<String> = rules.lines().filter_map(value("- alert: ")).collect();
    assert!(alerts.len() >= 10 && alerts.len() == queries.len(), "{} alerts, {} queries", alerts.len(), queries.len());
    for (alert, query) in alerts.iter().zip(&queries) {
        check(query, &served).unwrap_or_else(|wrong| panic!("{alert}: {wrong}: {query}"));
    }
    for field in ["severity: ", "summary: ", "description: "] {
        assert_eq!(rules.lines().filter_map(value(field)).count(), alerts.len(), "{field}");
    }
}

#[test]
fn a_wrong_query_is_found() {
    let served = served();
    for (query, wrong) in [
        ("rate(tokentracer_request_total[5m])", "tokentracer_request_total is not served"),
        ("tokentracer_store_up{model=\"x\"}", "tokentracer_store_up has no label model"),
        ("sum by (user) (rate(tokentracer_requests_total[5m]))", "no metric has the label user"),
        (
            "sum(rate(tokentracer_requests_total{outcome=\"ok\", status!=\"x\"}[$__rate_interval]))",
            "tokentracer_requests_total has no label status",
        ),
        ("1 > 0", "it names no metric"),
    ] {
        assert_eq!(check(query, &served), Err(wrong.to_owned()));
    }
    let right = "histogram_quantile(0.99, sum by (le, provider) (rate(tokentracer_request_duration_seconds_bucket{job=~\"$job\"}[5m]))) > 1e3";
    assert_eq!(check(right, &served), Ok(()));
}
