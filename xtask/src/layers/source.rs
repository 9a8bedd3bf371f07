//! The names in one source file: modules, imports, definitions, and paths in code. It looks at tokens, not at syntax
//! trees, so that paths inside macros count as well. Code under `#[cfg(test)]` is left out.

use std::str::FromStr as _;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// A module as its source tells it, before names are resolved.
#[derive(Debug, Default)]
pub(super) struct Source {
    /// Child modules.
    pub(super) modules: Vec<Child>,
    /// Names that `use` brings into the module.
    pub(super) imports: Vec<Import>,
    /// Functions, types, constants and macros defined in the module.
    pub(super) definitions: Vec<String>,
    /// Paths of two or more segments in code.
    pub(super) paths: Vec<Mention>,
}

/// A `mod` item.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) name: String,
    /// The value of `#[path = "…"]`.
    pub(super) path: Option<String>,
    /// The content between the braces; `None` where the module is a file.
    pub(super) inline: Option<Source>,
}

/// One name that a `use` declaration brings in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Import {
    /// The name in this module; `None` for `*` and `as _`.
    pub(super) name: Option<String>,
    pub(super) from: Mention,
    /// `use a::b::*`, where `from` is `a::b`.
    pub(super) glob: bool,
    /// `pub use`: the module offers the name to others, and need not use it.
    pub(super) public: bool,
}

/// A path, and the line on which it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mention {
    pub(super) segments: Vec<String>,
    pub(super) line: usize,
}

impl Source {
    /// Reads a file. The error says what the lexer refuses.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let tokens = TokenStream::from_str(text).map_err(|error| error.to_string())?;
        let mut source = Self::default();
        source.visit(tokens, true);
        Ok(source)
    }

    /// Goes through the tokens of a module, or of a body inside of it: what a body defines is no name of the module.
    fn visit(&mut self, tokens: TokenStream, is_module: bool) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        let mut path = None;
        let mut public = false;
        while let Some(token) = tokens.get(at) {
            let rest = tokens.get(at + 1..).unwrap_or_default();
            match token {
                TokenTree::Punct(punct) if punct.as_char() == '#' => {
                    let attribute = attribute(rest);
                    at += 1 + attribute.len;
                    if attribute.for_tests {
                        at += item_len(tokens.get(at..).unwrap_or_default());
                    }
                    path = attribute.path.or(path);
                    continue;
                }
                TokenTree::Group(group) => self.visit(group.stream(), false),
                TokenTree::Ident(word) => {
                    let line = word.span().start().line;
                    match (word.to_string().as_str(), rest.first()) {
                        ("pub", Some(TokenTree::Group(group))) if group.delimiter() == Delimiter::Parenthesis => {
                            public = true;
                            at += 2;
                            continue;
                        }
                        ("pub", _) => {
                            public = true;
                            at += 1;
                            continue;
                        }
                        // `impl Trait + use<'_>` is no import.
                        ("use", Some(next)) if !is_punct(next, '<') => {
                            let len = rest.iter().take_while(|token| !is_punct(token, ';')).count();
                            import(rest.get(..len).unwrap_or_default(), &[], line, public, &mut self.imports);
                            at += 1 + len;
                        }
                        ("mod", Some(TokenTree::Ident(name))) => {
                            let inline = match rest.get(1) {
                                Some(TokenTree::Group(body)) => Some(Self::inline(body)),
                                _ => None,
                            };
                            self.modules.push(Child { name: plain(&name.to_string()), path: path.take(), inline });
                            at += 2;
                        }
                        (kind, Some(TokenTree::Ident(name))) if is_module && DEFINING.contains(&kind) => {
                            // `const fn` and `unsafe trait`: the next word is the one that defines.
                            if !DEFINING.contains(&name.to_string().as_str()) {
                                self.definitions.push(plain(&name.to_string()));
                                at += 1;
                            }
                        }
                        ("macro_rules", Some(_)) => {
                            if let Some(TokenTree::Ident(name)) = rest.get(1) {
                                self.definitions.push(name.to_string());
                            }
                            at += 2;
                        }
                        _ => {
                            let segments = segments(tokens.get(at..).unwrap_or_default());
                            // An identifier, and a `::` and an identifier for every further one.
                            at += 3 * (segments.len() - 1);
                            if segments.len() > 1 {
                                self.paths.push(Mention { segments, line });
                            }
                        }
                    }
                }
                _ => {}
            }
            (path, public) = (None, false);
            at += 1;
        }
    }

    fn inline(body: &Group) -> Self {
        let mut source = Self::default();
        source.visit(body.stream(), true);
        source
    }
}

/// Words before the name of what they define.
const DEFINING: [&str; 9] = ["fn", "struct", "enum", "union", "trait", "type", "const", "static", "unsafe"];

struct Attribute {
    /// Tokens behind the `#`.
    len: usize,
    for_tests: bool,
    path: Option<String>,
}

/// Reads the attribute whose `#` has just been seen.
fn attribute(rest: &[TokenTree]) -> Attribute {
    let inner = usize::from(rest.first().is_some_and(|token| is_punct(token, '!')));
    let Some(TokenTree::Group(group)) = rest.get(inner) else {
        return Attribute { len: 0, for_tests: false, path: None };
    };
    let tokens: Vec<TokenTree> = group.stream().into_iter().collect();
    let word = |at: usize| match tokens.get(at) {
        Some(TokenTree::Ident(word)) => word.to_string(),
        _ => String::new(),
    };
    let for_tests = match (word(0).as_str(), tokens.get(1)) {
        ("cfg", Some(TokenTree::Group(condition))) => only_tests(condition),
        ("test", None) => true,
        _ => false,
    };
    let path = match (word(0).as_str(), tokens.get(2)) {
        ("path", Some(TokenTree::Literal(text))) => Some(text.to_string().trim_matches('"').to_owned()),
        _ => None,
    };
    // An inner attribute belongs to the whole module, which is judged by the `mod` item that names it.
    Attribute { len: inner + 1, for_tests: for_tests && inner == 0, path }
}

/// True if this condition is `test` or `all(test, …)`.
fn only_tests(condition: &Group) -> bool {
    let tokens: Vec<TokenTree> = condition.stream().into_iter().collect();
    match tokens.as_slice() {
        [TokenTree::Ident(word)] => word == "test",
        [TokenTree::Ident(word), TokenTree::Group(all)] if word == "all" => {
            all.stream().into_iter().any(|token| matches!(token, TokenTree::Ident(word) if word == "test"))
        }
        _ => false,
    }
}

/// The number of tokens of the item, statement or field that begins here, its own attributes included.
fn item_len(tokens: &[TokenTree]) -> usize {
    let mut at = 0;
    while tokens.get(at).is_some_and(|token| is_punct(token, '#')) {
        at += 2;
    }
    let head: Vec<String> = tokens.get(at..).unwrap_or_default().iter().take(4).map(ToString::to_string).collect();
    let has = |words: &[&str]| head.iter().any(|word| words.contains(&word.as_str()));
    let ends_with_brace = !has(&["use", "let", "static", "type"]) && (!has(&["const"]) || has(&["fn"]));
    let is_item = !ends_with_brace || has(&["fn", "mod", "struct", "enum", "union", "impl", "trait", "macro_rules"]);
    while let Some(token) = tokens.get(at) {
        at += 1;
        let done = match token {
            TokenTree::Group(group) => ends_with_brace && group.delimiter() == Delimiter::Brace,
            token => is_punct(token, ';') || (!is_item && is_punct(token, ',')),
        };
        if done {
            break;
        }
    }
    at
}

/// Reads one tree of a `use` declaration, below the segments before it.
fn import(tokens: &[TokenTree], before: &[String], line: usize, public: bool, imports: &mut Vec<Import>) {
    let mut segments = before.to_vec();
    let mut name = None;
    let mut add = |name, segments: Vec<String>, glob| {
        if !segments.is_empty() {
            imports.push(Import { name, from: Mention { segments, line }, glob, public });
        }
    };
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Ident(word) if word == "as" => {
                let given = tokens.get(at + 1).map(ToString::to_string).unwrap_or_default();
                return add((given != "_").then(|| plain(&given)), segments, false);
            }
            // `use a::{self}` names `a`.
            TokenTree::Ident(word) if word == "self" && !segments.is_empty() => {}
            TokenTree::Ident(word) => {
                segments.push(plain(&word.to_string()));
                name = segments.last().cloned();
            }
            TokenTree::Punct(punct) if punct.as_char() == '*' => return add(None, segments, true),
            TokenTree::Group(group) => {
                let inside: Vec<TokenTree> = group.stream().into_iter().collect();
                for tree in inside.split(|token| is_punct(token, ',')) {
                    let line = tree.first().map_or(line, |token| token.span().start().line);
                    import(tree, &segments, line, public, imports);
                }
                return;
            }
            _ => {}
        }
    }
    if !tokens.is_empty() {
        add(name.or_else(|| segments.last().cloned()), segments, false);
    }
}

/// The path that begins with the first of the tokens, an identifier: its segments up to the first that is none.
fn segments(tokens: &[TokenTree]) -> Vec<String> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(TokenTree::Ident(word)) = tokens.get(at) {
        found.push(plain(&word.to_string()));
        let colons = tokens.get(at + 1..at + 3).unwrap_or_default();
        if colons.len() < 2 || !colons.iter().all(|token| is_punct(token, ':')) {
            break;
        }
        at += 3;
    }
    found
}

fn is_punct(token: &TokenTree, wanted: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == wanted)
}

/// A name without `r#`.
fn plain(name: &str) -> String {
    name.strip_prefix("r#").unwrap_or(name).to_owned()
}
