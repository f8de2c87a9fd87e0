//! What a caller without credentials finds in the lists.

use crate::check::{
    Cause, Fault, Judgement, Na, Place, Unmet, Verdict, fail, inconclusive, na, warn,
};
use crate::evidence::{List, Purpose};
use crate::facts::tools::{self, Danger, Tool};
use crate::facts::{Facts, quote, settle};
use crate::report::{Class, Era};
use crate::spec::Revision;

/// Names that are quoted in one sentence.
const SHOWN: usize = 5;

/// Why no list is visible.
fn unseen(facts: &Facts<'_>) -> Unmet {
    for purpose in [
        Purpose::ModernList(List::Tools),
        Purpose::LegacyList(List::Tools),
    ] {
        if let Some(answer) = facts.answer(purpose)
            && !answer.refuses_for_credentials()
            && let Err(why) = settle(answer)
        {
            return why;
        }
    }
    if facts.protected() || facts.class() == Class::BrowserSso {
        return Unmet::NotApplicable(Na::Other("protected"));
    }
    // Lists of the old transport come over its stream, which is not read that far.
    if facts.era() == Era::HttpSse {
        return Unmet::Inconclusive(Cause::Other("old_transport"));
    }
    Unmet::NotApplicable(Na::Other("no_list"))
}

fn visible(facts: &Facts<'_>) -> Result<Vec<Tool>, Unmet> {
    tools::visible(facts).ok_or_else(|| unseen(facts))
}

/// The same for checks of parameters: their entries say that an unseen list is n/a, whatever
/// keeps it from being seen.
fn listed(facts: &Facts<'_>) -> Result<Vec<Tool>, Unmet> {
    visible(facts).map_err(|why| match why {
        Unmet::Inconclusive(Cause::Other("old_transport")) => {
            Unmet::NotApplicable(Na::Other("no_list"))
        }
        why => why,
    })
}

/// The first names, quoted, and how many more there are.
fn named<'n>(names: impl ExactSizeIterator<Item = &'n str>) -> String {
    let count = names.len();
    let mut text = names.take(SHOWN).map(quote).collect::<Vec<_>>().join(", ");
    if count > SHOWN {
        text.push_str(&format!(" and {} more", count - SHOWN));
    }
    text
}

pub(super) fn inventory(facts: &Facts<'_>, _: Revision) -> Judgement {
    let lists = tools::inventory(facts);
    let mut filled = lists.iter().filter(|list| !list.names.is_empty());
    let Some(first) = filled.next() else {
        return if lists.is_empty() {
            Err(unseen(facts))
        } else {
            Ok(Verdict::Pass)
        };
    };
    let counts: Vec<String> = lists
        .iter()
        .map(|list| {
            let what = match list.list {
                List::Tools => "tools",
                List::Prompts => "prompts",
                List::Resources => "resources",
                List::Templates => "resource templates",
            };
            format!("{} {what}", list.names.len())
        })
        .collect();
    let place = |list: &tools::Inventory| {
        Place::body(list.exchange, &format!("/result/{}", list.list.member()))
    };
    let fault = Fault::new(
        "readable",
        format!(
            "Anybody can list {}: {}.",
            counts.join(", "),
            named(first.names.iter().map(String::as_str))
        ),
        place(first),
    );
    warn(filled.fold(fault, |fault, list| fault.and(place(list))))
}

pub(super) fn destructive(facts: &Facts<'_>, _: Revision) -> Judgement {
    let tools = visible(facts)?;
    if tools.is_empty() {
        return na(Na::Other("no_tools"));
    }
    let dangers: Vec<(Danger, &Tool)> = tools
        .iter()
        .filter_map(|tool| Some((tools::danger(tool)?, tool)))
        .collect();
    let Some(worst) = dangers.iter().map(|(danger, _)| *danger).max() else {
        return Ok(Verdict::Pass);
    };
    if facts.class() == Class::Lazy {
        // Listing is not calling: the call itself may ask for a token.
        return inconclusive(Cause::Other("call_may_be_protected"));
    }
    let of_worst: Vec<&Tool> = dangers
        .iter()
        .filter(|(danger, _)| *danger == worst)
        .map(|(_, tool)| *tool)
        .collect();
    let names = named(
        of_worst
            .iter()
            .map(|tool| tool.name.as_str())
            .collect::<Vec<_>>()
            .into_iter(),
    );
    let (reason, said) = match worst {
        Danger::Executes => (
            "executes",
            format!("Strangers can reach tools that take a command or a query: {names}."),
        ),
        Danger::Annotated => (
            "annotated",
            format!("Strangers can reach tools that say they are destructive: {names}."),
        ),
        Danger::NotReadOnly => (
            "not_read_only",
            format!("Strangers can reach tools that say they are not read-only: {names}."),
        ),
        Danger::Verb => (
            "verb",
            format!("Strangers can reach tools whose words suggest a change: {names}."),
        ),
    };
    let mut places = of_worst.iter().map(|tool| tool.place.clone());
    let Some(first) = places.next() else {
        return Ok(Verdict::Pass);
    };
    let fault = places
        .take(SHOWN)
        .fold(Fault::new(reason, said, first), Fault::and);
    match worst {
        Danger::Executes | Danger::Annotated => fail(fault),
        Danger::NotReadOnly | Danger::Verb => warn(fault),
    }
}

/// Tools whose subject are passwords and hashes take them on purpose.
fn is_utility(tool: &Tool) -> bool {
    tools::words(&tool.name).any(|word| {
        matches!(
            word.as_str(),
            "hash"
                | "bcrypt"
                | "argon2"
                | "scrypt"
                | "hmac"
                | "encrypt"
                | "decrypt"
                | "strength"
                | "entropy"
                | "pwned"
                | "breach"
                | "breached"
                | "totp"
        )
    })
}

/// Properties that mean a credential and take text, each with its tool.
fn credentials(tools: &[Tool]) -> impl Iterator<Item = (&Tool, &str)> {
    tools
        .iter()
        .filter(|tool| !is_utility(tool))
        .flat_map(|tool| {
            tool.properties
                .iter()
                .filter(|(name, schema)| tools::is_text(schema) && tools::names_credential(name))
                .map(move |(name, _)| (tool, name.as_str()))
        })
}

fn property_place(tool: &Tool, name: &str) -> Place {
    let name = name.replace('~', "~0").replace('/', "~1");
    Place::new(
        tool.place.exchange,
        format!("{}/inputSchema/properties/{name}", tool.place.at),
    )
}

pub(super) fn credential_params(facts: &Facts<'_>, _: Revision) -> Judgement {
    let tools = listed(facts)?;
    let found: Vec<(&Tool, &str)> = credentials(&tools).collect();
    let required = found
        .iter()
        .find(|(tool, name)| tool.required.iter().any(|known| known == name));
    if let Some((tool, name)) = required {
        return fail(Fault::new(
            "required",
            format!(
                "The tool {} requires the argument {}.",
                quote(&tool.name),
                quote(name)
            ),
            property_place(tool, name),
        ));
    }
    match found.first() {
        None => Ok(Verdict::Pass),
        Some((tool, name)) => warn(Fault::new(
            "optional",
            format!(
                "The tool {} takes the argument {}.",
                quote(&tool.name),
                quote(name)
            ),
            property_place(tool, name),
        )),
    }
}

pub(super) fn header_params(facts: &Facts<'_>, _: Revision) -> Judgement {
    let tools = listed(facts)?;
    let mirrored: Vec<(&Tool, &str, &str)> = tools
        .iter()
        .flat_map(|tool| {
            tool.properties.iter().filter_map(move |(name, schema)| {
                let header = schema.get("x-mcp-header")?;
                Some((tool, name.as_str(), header.as_str().unwrap_or_default()))
            })
        })
        .collect();
    if mirrored.is_empty() {
        return na(Na::Other("no_header_params"));
    }
    let find = |means: fn(&str) -> bool| mirrored.iter().find(|(_, name, _)| means(name));
    let fault = |reason, (tool, name, header): &(&Tool, &str, &str)| {
        Fault::new(
            reason,
            format!(
                "The argument {} of the tool {} is copied into the header {}.",
                quote(name),
                quote(&tool.name),
                quote(header)
            ),
            property_place(tool, name),
        )
    };
    if let Some(found) = find(tools::names_credential) {
        return fail(fault("credential", found));
    }
    match find(tools::names_person) {
        Some(found) => warn(fault("personal_data", found)),
        None => Ok(Verdict::Pass),
    }
}
