//! The emulated world in memory, and the one lock around it.
//!
//! A request does all its reading, judging and changing in one critical section; what it changed
//! gathers in `pending` and is committed by the writer before anybody is answered. Limits of rate
//! live here alone: after a restart they start empty, as they would after a quiet minute.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clock::Anchor;
use crate::disk::WebhookRow;
use crate::disk::write::Batch;
use crate::error::Error;
use crate::faults::{Action, Fault, Target};
use crate::limits::Limits;
use crate::model::{
    Allocation, App, Business, Code, CoolingName, Doc, Flow, Media, Number, Pair, Person,
    SettingsPatch, Template, Token, Upload, Waba, pair_key,
};
use crate::settings::Settings;
use crate::steps::Step;

/// A table of documents, kept in memory and written through.
#[derive(Debug)]
pub(crate) struct Table<T>(HashMap<String, T>);

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Doc> Table<T> {
    pub(crate) fn get(&self, id: &str) -> Option<&T> {
        self.0.get(id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.values()
    }

    /// Stores a new or changed document.
    pub(crate) fn put(&mut self, pending: &mut Pending, doc: T) {
        pending.put(&doc);
        self.0.insert(doc.key(), doc);
    }

    /// Changes a document in place and stores it; `None` where there is none.
    pub(crate) fn change<R>(
        &mut self,
        pending: &mut Pending,
        id: &str,
        change: impl FnOnce(&mut T) -> R,
    ) -> Option<R> {
        let doc = self.0.get_mut(id)?;
        let result = change(doc);
        pending.put(doc);
        Some(result)
    }

    pub(crate) fn remove(&mut self, pending: &mut Pending, id: &str) -> Option<T> {
        pending.batch.objects.insert((T::KIND, id.to_owned()), None);
        self.0.remove(id)
    }
}

/// What was done and is not on disk yet, and what becomes known once it is.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    pub(crate) batch: Batch,
    pub(crate) steps: Vec<Step>,
}

impl Pending {
    fn put<T: Doc>(&mut self, doc: &T) {
        // These types hold strings, numbers and JSON: serialising them cannot fail.
        let text = serde_json::to_string(doc).unwrap_or_default();
        self.batch.objects.insert((T::KIND, doc.key()), Some(text));
    }

    pub(crate) fn put_clock(&mut self, anchor: &Anchor) {
        let text = serde_json::to_string(anchor).unwrap_or_default();
        self.batch.objects.insert(("clock", String::new()), Some(text));
    }
}

/// The next numbers of the sequences.
#[derive(Debug, Default)]
pub(crate) struct Sequences {
    pub(crate) ledger: i64,
    pub(crate) message: i64,
    pub(crate) inbound: i64,
    pub(crate) webhook: i64,
}

/// Kinds of objects that `/{id}` may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    App,
    Business,
    Waba,
    Number,
    Template,
    Media,
    Credit,
    Allocation,
    Flow,
    User,
}

#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) apps: Table<App>,
    pub(crate) businesses: Table<Business>,
    pub(crate) wabas: Table<Waba>,
    pub(crate) numbers: Table<Number>,
    pub(crate) templates: Table<Template>,
    pub(crate) cooling_names: Table<CoolingName>,
    pub(crate) tokens: Table<Token>,
    pub(crate) codes: Table<Code>,
    pub(crate) media: Table<Media>,
    pub(crate) uploads: Table<Upload>,
    pub(crate) persons: Table<Person>,
    pub(crate) pairs: Table<Pair>,
    pub(crate) allocations: Table<Allocation>,
    pub(crate) flows: Table<Flow>,
    pub(crate) faults: Table<Fault>,
    pub(crate) patches: Table<SettingsPatch>,
    /// Node ids and their kinds.
    nodes: HashMap<String, Kind>,
    /// Templates of a WABA, by name and language.
    template_names: HashMap<String, BTreeMap<(String, String), String>>,
    waba_numbers: HashMap<String, BTreeSet<String>>,
    settings: HashMap<String, Settings>,
    pub(crate) limits: Limits,
    pub(crate) sequences: Sequences,
    /// Messages whose planned steps were overtaken (read before delivered).
    pub(crate) overtaken: BTreeSet<i64>,
    /// When the next dated change of a template comes; 0 = look.
    pub(crate) dated_us: i64,
    pub(crate) pending: Pending,
    pub(crate) ticket: u64,
}

impl World {
    /// Builds the world from the stored documents.
    pub(crate) fn load(
        objects: Vec<(String, String, String)>,
    ) -> Result<(Self, Option<Anchor>), Error> {
        let mut world = Self::default();
        let mut anchor = None;
        for (kind, id, doc) in objects {
            match kind.as_str() {
                App::KIND => fill(&mut world.apps, &kind, &id, &doc)?,
                Business::KIND => fill(&mut world.businesses, &kind, &id, &doc)?,
                Waba::KIND => fill(&mut world.wabas, &kind, &id, &doc)?,
                Number::KIND => fill(&mut world.numbers, &kind, &id, &doc)?,
                Template::KIND => fill(&mut world.templates, &kind, &id, &doc)?,
                CoolingName::KIND => fill(&mut world.cooling_names, &kind, &id, &doc)?,
                Token::KIND => fill(&mut world.tokens, &kind, &id, &doc)?,
                Code::KIND => fill(&mut world.codes, &kind, &id, &doc)?,
                Media::KIND => fill(&mut world.media, &kind, &id, &doc)?,
                Upload::KIND => fill(&mut world.uploads, &kind, &id, &doc)?,
                Person::KIND => fill(&mut world.persons, &kind, &id, &doc)?,
                Pair::KIND => fill(&mut world.pairs, &kind, &id, &doc)?,
                Allocation::KIND => fill(&mut world.allocations, &kind, &id, &doc)?,
                Flow::KIND => fill(&mut world.flows, &kind, &id, &doc)?,
                Fault::KIND => fill(&mut world.faults, &kind, &id, &doc)?,
                SettingsPatch::KIND => fill(&mut world.patches, &kind, &id, &doc)?,
                "clock" => anchor = Some(parse(&kind, &id, &doc)?),
                _ => tracing::warn!(
                    kind,
                    "the state file holds a kind that this build does not know"
                ),
            }
        }
        world.index();
        Ok((world, anchor))
    }

    fn index(&mut self) {
        let apps: Vec<_> = self.apps.iter().map(|a| (a.id.clone(), a.credit_id.clone())).collect();
        for (app, credit) in apps {
            self.nodes.insert(app, Kind::App);
            self.nodes.insert(credit, Kind::Credit);
        }
        let nodes = [
            (Kind::Business, self.businesses.0.keys().cloned().collect::<Vec<_>>()),
            (Kind::Waba, self.wabas.0.keys().cloned().collect()),
            (Kind::Media, self.media.0.keys().cloned().collect()),
            (Kind::Allocation, self.allocations.0.keys().cloned().collect()),
            (Kind::Flow, self.flows.0.keys().cloned().collect()),
            (Kind::User, self.tokens.iter().map(|token| token.user_id.clone()).collect()),
        ];
        for (kind, ids) in nodes {
            self.nodes.extend(ids.into_iter().map(|id| (id, kind)));
        }
        let numbers: Vec<_> =
            self.numbers.iter().map(|n| (n.waba_id.clone(), n.id.clone())).collect();
        for (waba, number) in numbers {
            self.know_number(&waba, &number);
        }
        let templates: Vec<Template> = self.templates.iter().cloned().collect();
        for template in &templates {
            self.know_template(template);
        }
    }

    /// A new node id.
    pub(crate) fn mint(&mut self, kind: Kind) -> String {
        loop {
            let id = crate::ids::object();
            if let std::collections::hash_map::Entry::Vacant(free) = self.nodes.entry(id.clone()) {
                free.insert(kind);
                return id;
            }
        }
    }

    pub(crate) fn kind(&self, id: &str) -> Option<Kind> {
        self.nodes.get(id).copied()
    }

    pub(crate) fn forget(&mut self, id: &str) {
        self.nodes.remove(id);
    }

    pub(crate) fn know_number(&mut self, waba: &str, number: &str) {
        self.nodes.insert(number.to_owned(), Kind::Number);
        self.waba_numbers.entry(waba.to_owned()).or_default().insert(number.to_owned());
    }

    /// Numbers of a WABA, in the order of their making.
    pub(crate) fn numbers_of(&self, waba: &str) -> Vec<&Number> {
        let ids = self.waba_numbers.get(waba).into_iter().flatten();
        let mut numbers: Vec<_> = ids.filter_map(|id| self.numbers.get(id)).collect();
        numbers.sort_by(|a, b| (a.created_us, &a.id).cmp(&(b.created_us, &b.id)));
        numbers
    }

    pub(crate) fn know_template(&mut self, template: &Template) {
        self.nodes.insert(template.id.clone(), Kind::Template);
        self.template_names
            .entry(template.waba_id.clone())
            .or_default()
            .insert((template.name.clone(), template.language.clone()), template.id.clone());
    }

    pub(crate) fn forget_template(&mut self, template: &Template) {
        self.nodes.remove(&template.id);
        if let Some(names) = self.template_names.get_mut(&template.waba_id) {
            names.remove(&(template.name.clone(), template.language.clone()));
        }
    }

    pub(crate) fn template_named(
        &self,
        waba: &str,
        name: &str,
        language: &str,
    ) -> Option<&Template> {
        let names = self.template_names.get(waba)?;
        self.templates.get(names.get(&(name.to_owned(), language.to_owned()))?)
    }

    /// Templates of a WABA, newest first, as Meta lists them.
    pub(crate) fn templates_of(&self, waba: &str) -> Vec<&Template> {
        let ids = self.template_names.get(waba).into_iter().flat_map(BTreeMap::values);
        let mut templates: Vec<_> = ids.filter_map(|id| self.templates.get(id)).collect();
        templates.sort_by(|a, b| (b.created_us, &b.id).cmp(&(a.created_us, &a.id)));
        templates
    }

    pub(crate) fn app_of_installation(&self, installation: &str) -> Option<&App> {
        self.apps.iter().find(|app| app.installation == installation)
    }

    /// The portfolio that owns a WABA.
    pub(crate) fn owner_of(&self, waba: &str) -> Option<&Business> {
        self.businesses.get(&self.wabas.get(waba)?.owner_business)
    }

    pub(crate) fn pair(&self, number: &str, wa_id: &str) -> Option<&Pair> {
        self.pairs.get(&pair_key(number, wa_id))
    }

    /// Changes what stands between a number and a customer, from nothing if need be.
    pub(crate) fn change_pair(
        &mut self,
        number: &str,
        wa_id: &str,
        change: impl FnOnce(&mut Pair),
    ) {
        let key = pair_key(number, wa_id);
        let mut pair = self.pairs.get(&key).cloned().unwrap_or_default();
        pair.key = key;
        change(&mut pair);
        self.pairs.put(&mut self.pending, pair);
    }

    pub(crate) fn change_person(&mut self, wa_id: &str, change: impl FnOnce(&mut Person)) {
        let mut person = self.persons.get(wa_id).cloned().unwrap_or_else(|| Person {
            wa_id: wa_id.to_owned(),
            name: None,
            username: None,
            hide_number: false,
            on_whatsapp: true,
        });
        change(&mut person);
        self.persons.put(&mut self.pending, person);
    }

    /// The settings of an app: defaults, then those of all apps, then its own.
    pub(crate) fn settings(&mut self, app_id: &str) -> Settings {
        if let Some(settings) = self.settings.get(app_id) {
            return settings.clone();
        }
        let all = self.patches.get("").map(|patch| &patch.patch);
        let own = self.patches.get(app_id).filter(|_| !app_id.is_empty()).map(|patch| &patch.patch);
        // A patch is checked before it is stored.
        let settings = Settings::from_patches(all.into_iter().chain(own)).unwrap_or_default();
        self.settings.insert(app_id.to_owned(), settings.clone());
        settings
    }

    pub(crate) fn settings_changed(&mut self) {
        self.settings.clear();
    }

    /// Takes the planted faults that this call meets, counting each down.
    pub(crate) fn take_faults(&mut self, target: Target<'_>) -> Action {
        let mut ids: Vec<_> = self
            .faults
            .iter()
            .filter(|fault| fault.meets(target))
            .map(|fault| fault.id.clone())
            .collect();
        ids.sort_unstable();
        let mut action = Action::default();
        for id in ids {
            let taken = self.faults.change(&mut self.pending, &id, |fault| {
                fault.times = fault.times.map(|times| times.saturating_sub(1));
                fault.action.clone()
            });
            action = action.and(taken.unwrap_or_default());
        }
        action
    }

    /// Queues one change for one app.
    pub(crate) fn queue_webhook(&mut self, mut row: WebhookRow) {
        self.sequences.webhook += 1;
        row.seq = self.sequences.webhook;
        self.pending.batch.webhooks.push(row);
    }
}

fn parse<T: DeserializeOwned>(kind: &str, id: &str, doc: &str) -> Result<T, Error> {
    serde_json::from_str(doc).map_err(|source| Error::Stored {
        kind: kind.to_owned(),
        id: id.to_owned(),
        source,
    })
}

fn fill<T: Serialize + DeserializeOwned>(
    table: &mut Table<T>,
    kind: &str,
    id: &str,
    doc: &str,
) -> Result<(), Error> {
    table.0.insert(id.to_owned(), parse(kind, id, doc)?);
    Ok(())
}
