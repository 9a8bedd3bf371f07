//! The modules of one crate, and the files that each file uses: every path is followed through imports and re-exports
//! to the file that defines its last name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::source::{Import, Mention, Source};

/// The number of re-exports of re-exports that are followed.
const DEPTH: usize = 16;

/// A file of the crate; the number is its place in [`Crate::files`].
type File = usize;
/// A module; the number is its place in [`Crate::modules`]. The root is 0.
type ModuleId = usize;

/// One use of a file by another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edge {
    pub(super) from: PathBuf,
    pub(super) to: PathBuf,
    /// `line: path`, as it stands in `from`.
    pub(super) mention: String,
}

/// Reads the text of a file; `None` where there is no such file.
type Read<'a> = &'a dyn Fn(&Path) -> Option<String>;

struct Crate {
    files: Vec<PathBuf>,
    modules: Vec<Module>,
}

struct Module {
    file: File,
    parent: Option<ModuleId>,
    children: BTreeMap<String, ModuleId>,
    source: Source,
}

/// The target of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Module(ModuleId),
    /// Something that this module defines.
    In(ModuleId),
}

/// All uses between the files of the crate whose root is `root` (`src/lib.rs`), paths being relative to its directory.
pub(super) fn edges(root: &Path, read: Read<'_>) -> Result<Vec<Edge>, String> {
    let mut tree = Crate { files: Vec::new(), modules: Vec::new() };
    let directory = root.parent().unwrap_or(Path::new("")).to_owned();
    let (file, source) = tree.load(root, read)?;
    tree.add(Module { file, parent: None, children: BTreeMap::new(), source }, &directory, &directory, read)?;
    let mut found = Vec::new();
    for (id, module) in tree.modules.iter().enumerate() {
        let imports = module.source.imports.iter().filter(|import| tree.is_use(id, import));
        for mention in imports.map(|import| &import.from).chain(&module.source.paths) {
            let Some(Place::In(target)) = tree.follow(id, mention) else { continue };
            let (from, to) = (module.file, tree.modules.get(target).map_or(module.file, |target| target.file));
            if from == to {
                continue;
            }
            let relative = |file: File| {
                let path = tree.files.get(file).map(PathBuf::as_path).unwrap_or(root);
                path.strip_prefix(&directory).unwrap_or(path).to_owned()
            };
            let mention = format!("{}: {}", mention.line, mention.segments.join("::"));
            found.push(Edge { from: relative(from), to: relative(to), mention });
        }
    }
    Ok(found)
}

impl Crate {
    fn load(&mut self, path: &Path, read: Read<'_>) -> Result<(File, Source), String> {
        let text = read(path).ok_or_else(|| format!("{}: there is no such file", path.display()))?;
        let source = Source::read(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        let file = self.files.iter().position(|known| known == path).unwrap_or_else(|| {
            self.files.push(path.to_owned());
            self.files.len() - 1
        });
        Ok((file, source))
    }

    /// Adds a module and all below it. `beside` is the directory of the module's file, which `#[path]` begins at, and
    /// `below` the one that its children's files are in.
    fn add(&mut self, mut module: Module, beside: &Path, below: &Path, read: Read<'_>) -> Result<ModuleId, String> {
        let children = std::mem::take(&mut module.source.modules);
        let file = module.file;
        let id = self.modules.len();
        self.modules.push(module);
        for child in children {
            let new = |file, source| Module { file, parent: Some(id), children: BTreeMap::new(), source };
            let name = child.name;
            let added = if let Some(source) = child.inline {
                let below = below.join(&name);
                self.add(new(file, source), &below, &below, read)?
            } else {
                let path = match &child.path {
                    Some(path) => beside.join(path),
                    None => below.join(&name).with_extension("rs"),
                };
                let (file, source) = self.load(&path, read)?;
                let beside = path.parent().unwrap_or(Path::new("")).to_owned();
                self.add(new(file, source), &beside, &path.with_extension(""), read)?
            };
            if let Some(module) = self.modules.get_mut(id) {
                module.children.insert(name, added);
            }
        }
        Ok(id)
    }

    /// True if the file of this module needs the thing that the import names. An import that the root re-exports is
    /// only shown to others.
    fn is_use(&self, module: ModuleId, import: &Import) -> bool {
        let in_root = module == 0;
        !(in_root && import.public)
    }

    fn follow(&self, module: ModuleId, mention: &Mention) -> Option<Place> {
        self.resolve(module, &mention.segments, 0)
    }

    /// The target of a path in this module; `None` where it is outside of the crate.
    fn resolve(&self, module: ModuleId, segments: &[String], depth: usize) -> Option<Place> {
        let (first, mut rest) = segments.split_first()?;
        let mut place = match first.as_str() {
            "crate" => Place::Module(0),
            "self" => Place::Module(module),
            "super" => Place::Module(self.modules.get(module)?.parent?),
            name => self.named(module, name, depth)?,
        };
        while let Some((name, further)) = rest.split_first() {
            let Place::Module(at) = place else { break };
            place = if name == "super" {
                Place::Module(self.modules.get(at)?.parent?)
            } else {
                // A name that is not found is made by a macro, or comes from another crate by way of this module.
                self.named(at, name, depth).unwrap_or(Place::In(at))
            };
            rest = further;
        }
        Some(place)
    }

    /// The target of a name in a module.
    fn named(&self, module: ModuleId, name: &str, depth: usize) -> Option<Place> {
        if depth > DEPTH {
            return None;
        }
        let here = self.modules.get(module)?;
        if let Some(child) = here.children.get(name) {
            return Some(Place::Module(*child));
        }
        if here.source.definitions.iter().any(|defined| defined == name) {
            return Some(Place::In(module));
        }
        let import = here.source.imports.iter().find(|import| import.name.as_deref() == Some(name));
        // The import `use tokio;` would name itself.
        if let Some(import) = import.filter(|import| import.from.segments.len() > 1) {
            return self.resolve(module, &import.from.segments, depth + 1);
        }
        let globs = here.source.imports.iter().filter(|import| import.glob);
        globs.filter_map(|glob| self.resolve(module, &glob.from.segments, depth + 1)).find_map(|place| match place {
            Place::Module(target) if target != module => self.named(target, name, depth + 1),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The uses in a crate of these files, as `from → to, line: path`.
    fn uses(files: &[(&str, &str)]) -> Vec<String> {
        let read = |path: &Path| {
            let path = path.strip_prefix("src").unwrap();
            files.iter().find(|(name, _)| Path::new(name) == path).map(|(_, text)| (*text).to_owned())
        };
        let root = Path::new("src").join(files[0].0);
        let edges = edges(&root, &read).unwrap();
        edges.iter().map(|e| format!("{} → {}, {}", e.from.display(), e.to.display(), e.mention)).collect()
    }

    #[test]
    fn a_use_leads_to_the_file_that_defines_the_name() {
        let found = uses(&[
            ("lib.rs", "mod a;\nmod b;"),
            ("a.rs", "use std::fmt;\nuse crate::b::{self, c::Thing, Other as Mine};\nfn f() { b::help(); }"),
            ("b.rs", "pub mod c;\npub struct Other;\npub fn help() {}"),
            ("b/c.rs", "pub struct Thing;"),
        ]);
        assert_eq!(
            found,
            ["a.rs → b/c.rs, 2: crate::b::c::Thing", "a.rs → b.rs, 2: crate::b::Other", "a.rs → b.rs, 3: b::help"]
        );
    }

    #[test]
    fn what_the_root_re_exports_is_followed_and_is_no_use_of_the_root() {
        let found = uses(&[
            ("lib.rs", "mod a;\nmod b;\npub use a::Thing;\npub use b::*;"),
            ("a.rs", "pub struct Thing;\nuse crate::Other;"),
            ("b.rs", "pub struct Other;"),
        ]);
        assert_eq!(found, ["a.rs → b.rs, 2: crate::Other"]);
    }

    #[test]
    fn the_root_is_used_for_what_it_defines_itself() {
        let files = [("main.rs", "mod a;\nstruct Failure;\nfn main() { a::run() }"), ("a.rs", "use crate::Failure;")];
        assert_eq!(uses(&files), ["main.rs → a.rs, 3: a::run", "a.rs → main.rs, 1: crate::Failure"]);
    }

    #[test]
    fn a_declaration_alone_is_no_use_and_one_by_parent_or_child_is() {
        let only_declared = [("lib.rs", "mod a;"), ("a.rs", "mod b;\nstruct A;"), ("a/b.rs", "use super::A;")];
        assert_eq!(uses(&only_declared), ["a/b.rs → a.rs, 1: super::A"]);
        let re_exported = [("lib.rs", "mod a;"), ("a.rs", "mod b;\npub use self::b::B;"), ("a/b.rs", "pub struct B;")];
        assert_eq!(uses(&re_exported), ["a.rs → a/b.rs, 2: self::b::B"]);
    }

    #[test]
    fn code_for_tests_does_not_count() {
        let found = uses(&[
            ("lib.rs", "mod a;\nmod b;\n#[cfg(test)]\nmod fixtures;"),
            (
                "a.rs",
                "#[cfg(test)] use crate::b::{B, C};\n#[cfg(all(test, unix))] mod tests { use crate::b::B; }\n\
                 #[test] fn t() { crate::b::help() }\nstruct S { #[cfg(test)] b: crate::b::B, c: u8 }\n\
                 #[cfg(unix)] fn u() { crate::b::real() }\n#[cfg(test)] mod more;",
            ),
            ("b.rs", "pub struct B;"),
        ]);
        assert_eq!(found, ["a.rs → b.rs, 5: crate::b::real"]);
    }

    #[test]
    fn comments_and_texts_are_no_code_and_macros_are() {
        let found = uses(&[
            ("lib.rs", "mod a;\nmod b;"),
            (
                "a.rs",
                "//! [`crate::b::B`]\n// use crate::b::B;\nconst T: &str = \"crate::b::B\";\nm! { crate::b::make() }",
            ),
            ("b.rs", "id!(Made);"),
        ]);
        assert_eq!(found, ["a.rs → b.rs, 4: crate::b::make"]);
    }

    #[test]
    fn a_file_may_be_named_by_path_and_belong_to_two_modules() {
        let found = uses(&[
            ("lib.rs", "mod pg;\nmod lite;"),
            ("pg.rs", "pub struct Conn;\n#[expect(x)]\n#[path = \"repo/users.rs\"]\nmod users;"),
            (
                "lite.rs",
                "pub struct Conn;\n#[path = \"repo/users.rs\"]\nmod users;\nmod inner { use super::users::all; }",
            ),
            ("repo/users.rs", "use super::Conn;\npub fn all() {}"),
        ]);
        let mut expected = vec![
            "repo/users.rs → pg.rs, 1: super::Conn",
            "repo/users.rs → lite.rs, 1: super::Conn",
            "lite.rs → repo/users.rs, 4: super::users::all",
        ];
        let mut found: Vec<&str> = found.iter().map(String::as_str).collect();
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_missing_file_is_named() {
        let read = |path: &Path| (path == Path::new("lib.rs")).then(|| "mod gone;".to_owned());
        assert_eq!(edges(Path::new("lib.rs"), &read).unwrap_err(), "gone.rs: there is no such file");
    }
}
