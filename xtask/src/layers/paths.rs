//! The paths that a source file names outside its tests, read from its tokens.
//!
//! Comments and strings name nothing. Use trees are spelled out, and the tokens inside macro calls are read like others. What is
//! under `#[cfg(test)]` is left out; a test module in a file of its own is returned by name, for the caller to leave out.
//!
//! *Limitations*: names are not resolved, so a path behind an alias (`use std as s`) is seen as it is written. clippy, which
//! resolves names, is the other half of this check.

use std::iter::Peekable;
use std::str::FromStr as _;
use std::vec::IntoIter;

use anyhow::{Result, anyhow};
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// What a source file names outside its tests.
#[derive(Debug, Default)]
pub(super) struct Source {
    pub(super) paths: Vec<Path>,
    /// Modules that are declared for tests only and have a file of their own.
    pub(super) test_modules: Vec<String>,
}

/// A path as it is written, use trees spelled out.
#[derive(Debug, PartialEq)]
pub(super) struct Path {
    pub(super) segments: Vec<String>,
    /// Counted from 1.
    pub(super) line: usize,
}

type Tokens = Peekable<IntoIter<TokenTree>>;

/// Reads the text of a source file.
///
/// # Errors
/// The text is not made of Rust tokens.
pub(super) fn read(text: &str) -> Result<Source> {
    let stream = TokenStream::from_str(text).map_err(|error| anyhow!("not Rust: {error}"))?;
    let mut source = Source::default();
    walk(stream, &mut source);
    Ok(source)
}

fn walk(stream: TokenStream, source: &mut Source) {
    let mut tokens = tokens(stream);
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                let inner = next_is_punct(&mut tokens, '!');
                let Some(attribute) = next_group(&mut tokens, Delimiter::Bracket) else {
                    continue;
                };
                match (condition(&attribute), inner) {
                    (Condition::Test, true) => return,
                    (Condition::Test, false) => skip_item(&mut tokens, source),
                    (Condition::AttributeInTest, _) => {}
                    (Condition::Other, _) => walk(attribute.stream(), source),
                }
            }
            TokenTree::Ident(ident) => {
                let line = ident.span().start().line;
                spell_out(vec![name(&ident)], line, &mut tokens, source);
            }
            TokenTree::Group(group) => walk(group.stream(), source),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

/// Reads the rest of a path that begins with `segments`, and all branches of a use tree.
fn spell_out(mut segments: Vec<String>, line: usize, tokens: &mut Tokens, source: &mut Source) {
    while next_is_separator(tokens) {
        match tokens.peek() {
            Some(TokenTree::Ident(ident)) => {
                segments.push(name(ident));
                tokens.next();
            }
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                let branches = group.stream();
                tokens.next();
                spell_out_branches(&segments, branches, source);
                return;
            }
            _ => break,
        }
    }
    source.paths.push(Path { segments, line });
}

fn spell_out_branches(prefix: &[String], branches: TokenStream, source: &mut Source) {
    let mut tokens = tokens(branches);
    while let Some(token) = tokens.next() {
        let TokenTree::Ident(ident) = token else {
            continue;
        };
        let mut segments = prefix.to_vec();
        let line = ident.span().start().line;
        if ident != "self" {
            segments.push(name(&ident));
        }
        spell_out(segments, line, &mut tokens, source);
        // What follows up to the comma can only be the name this branch goes by.
        while tokens.peek().is_some_and(|token| !is_punct(token, ',')) {
            tokens.next();
        }
    }
}

enum Condition {
    /// `cfg(test)`, alone or as one of the conditions that all must hold.
    Test,
    /// `cfg_attr(test, ...)`.
    AttributeInTest,
    Other,
}

fn condition(attribute: &Group) -> Condition {
    let mut tokens = tokens(attribute.stream());
    let Some(TokenTree::Ident(ident)) = tokens.next() else {
        return Condition::Other;
    };
    let holds_in_tests_only = next_group(&mut tokens, Delimiter::Parenthesis)
        .is_some_and(|group| requires_test(group.stream()));
    if holds_in_tests_only && ident == "cfg" {
        Condition::Test
    } else if holds_in_tests_only && ident == "cfg_attr" {
        Condition::AttributeInTest
    } else {
        Condition::Other
    }
}

/// Returns whether the first predicate is `test`, or an `all` that requires it.
fn requires_test(predicate: TokenStream) -> bool {
    let mut tokens = tokens(predicate);
    let Some(TokenTree::Ident(ident)) = tokens.next() else {
        return false;
    };
    if ident == "test" {
        return matches!(tokens.peek(), None | Some(TokenTree::Punct(_)));
    }
    if ident != "all" {
        return false;
    }
    next_group(&mut tokens, Delimiter::Parenthesis).is_some_and(|group| {
        let mut previous_is_comma = true;
        group.stream().into_iter().any(|token| {
            let found =
                previous_is_comma && matches!(&token, TokenTree::Ident(name) if name == "test");
            previous_is_comma = is_punct(&token, ',');
            found
        })
    })
}

/// Passes over the item that follows a test's attribute, to its body or semicolon.
fn skip_item(tokens: &mut Tokens, source: &mut Source) {
    let mut module = None;
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(ident) if ident == "mod" => {
                if let Some(TokenTree::Ident(ident)) = tokens.peek() {
                    module = Some(name(ident));
                }
            }
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => return,
            TokenTree::Punct(punct) if punct.as_char() == ';' => {
                source.test_modules.extend(module);
                return;
            }
            _ => {}
        }
    }
}

fn tokens(stream: TokenStream) -> Tokens {
    stream
        .into_iter()
        .collect::<Vec<_>>()
        .into_iter()
        .peekable()
}

fn name(ident: &proc_macro2::Ident) -> String {
    let name = ident.to_string();
    name.strip_prefix("r#").unwrap_or(&name).to_owned()
}

fn is_punct(token: &TokenTree, character: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == character)
}

/// Takes the next token if it is this character.
fn next_is_punct(tokens: &mut Tokens, character: char) -> bool {
    tokens.next_if(|token| is_punct(token, character)).is_some()
}

/// Takes the next two tokens if they are `::`.
fn next_is_separator(tokens: &mut Tokens) -> bool {
    let joint = |token: &TokenTree| {
        matches!(token, TokenTree::Punct(punct)
            if punct.as_char() == ':' && punct.spacing() == proc_macro2::Spacing::Joint)
    };
    tokens.next_if(joint).is_some() && next_is_punct(tokens, ':')
}

/// Takes the next token if it is a group in these delimiters.
fn next_group(tokens: &mut Tokens, delimiter: Delimiter) -> Option<Group> {
    let group = |token: &TokenTree| matches!(token, TokenTree::Group(group) if group.delimiter() == delimiter);
    match tokens.next_if(group) {
        Some(TokenTree::Group(group)) => Some(group),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(text: &str) -> Vec<String> {
        let source = read(text).unwrap();
        source
            .paths
            .iter()
            .filter(|path| path.segments.len() > 1)
            .map(|path| path.segments.join("::"))
            .collect()
    }

    #[test]
    fn use_trees_are_spelled_out() {
        assert_eq!(
            paths("use std::{fs::{self, File as F}, io::Read as _, path::{Path, PathBuf}};"),
            [
                "std::fs",
                "std::fs::File",
                "std::io::Read",
                "std::path::Path",
                "std::path::PathBuf"
            ]
        );
    }

    #[test]
    fn paths_in_bodies_types_and_macros_are_seen() {
        assert_eq!(
            paths(
                "fn f(x: &std::fs::File) { println!(\"{}\", fs::read(p)); <a::B>::c(); r#d::e::<u8>(); }"
            ),
            ["std::fs::File", "fs::read", "a::B", "d::e"]
        );
    }

    #[test]
    fn comments_and_strings_name_nothing() {
        assert!(paths("/// std::fs\nconst A: &str = \"std::fs::read\"; // std::fs").is_empty());
    }

    #[test]
    fn what_is_for_tests_is_left_out() {
        for text in [
            "#[cfg(test)] mod tests { use std::fs; }",
            "#[cfg(all(test, unix))] #[allow(x)] fn f() { std::fs::read(p) }",
            "#[cfg(all(unix, test))] use std::fs;",
            "#![cfg(test)] use std::fs;",
            "#![cfg_attr(test, allow(clippy::disallowed_methods))]",
        ] {
            assert!(paths(text).is_empty(), "{text} is only for tests");
        }
    }

    #[test]
    fn what_is_not_only_for_tests_is_seen() {
        for text in [
            "#[cfg(not(test))] use std::fs;",
            "#[cfg(any(test, feature = \"sim\"))] use std::fs;",
            "#[cfg(all(unix, not(test)))] use std::fs;",
            "#[cfg(test)] mod tests; use std::fs;",
            "#[cfg(test)] use a::{b}; fn f() { std::fs }",
        ] {
            assert!(
                paths(text).contains(&"std::fs".to_owned()),
                "{text} is not only for tests"
            );
        }
    }

    #[test]
    fn test_modules_in_files_of_their_own_are_returned() {
        let source =
            read("#[cfg(test)]\nmod tests;\nmod other;\n#[cfg(test)] mod inline {}").unwrap();
        assert_eq!(source.test_modules, ["tests"]);
    }

    #[test]
    fn lines_are_counted_from_one() {
        let source = read("use a;\nuse std::{\n    io,\n    fs,\n};").unwrap();
        let found = source
            .paths
            .iter()
            .find(|path| path.segments == ["std", "fs"]);
        assert_eq!(found.map(|path| path.line), Some(4));
    }

    #[test]
    fn text_that_is_not_rust_is_an_error() {
        assert!(read("fn f( {").is_err());
    }
}
