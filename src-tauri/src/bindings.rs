//! The border between Rust and the front end in TypeScript, written from the Rust types: `ui/src/bindings.ts`.

use crate::{commands::About, events::EngineState, updates::Newer};
use engine::{
    Problem,
    command::{Command, Event, Reply},
};
use std::{any::TypeId, collections::BTreeMap, collections::HashSet};
use ts_rs::{Config, TS, TypeVisitor};

const HEAD: &str = "\
// Made from the Rust types by `cargo xtask bindings`; a test holds it to them.
";

/// Declarations by name, of types and of all that they are made of.
struct Declarations {
    config: Config,
    seen: HashSet<TypeId>,
    declared: BTreeMap<String, String>,
}

impl TypeVisitor for Declarations {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        if !self.seen.insert(TypeId::of::<T>()) {
            return;
        }
        T::visit_dependencies(self);
        T::visit_generics(self);
        // What TypeScript has already, such as `Array<string>`, is declared nowhere.
        if T::output_path().is_some() {
            let declared = format!("{}export {}\n", docs::<T>(), T::decl(&self.config));
            self.declared.insert(T::ident(&self.config), declared);
        }
    }
}

fn docs<T: TS + ?Sized>() -> String {
    T::docs().unwrap_or_default()
}

/// The whole file.
fn bindings() -> String {
    // No number of ours is beyond what JavaScript's can count.
    let config = Config::default().with_large_int("number");
    let mut found = Declarations { config, seen: HashSet::new(), declared: BTreeMap::new() };
    found.visit::<Command>();
    found.visit::<Reply>();
    found.visit::<Event>();
    found.visit::<Problem>();
    found.visit::<About>();
    found.visit::<EngineState>();
    found.visit::<Newer>();
    let declared: Vec<String> = found.declared.into_values().collect();
    format!("{HEAD}\n{}", declared.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::bindings;
    use std::{env, fs, path::Path};

    /// With SPOOL_WRITE_BINDINGS in the environment, the file is written instead.
    #[test]
    fn the_front_end_knows_our_types() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("ui/src/bindings.ts");
        let ours = bindings();
        if env::var_os("SPOOL_WRITE_BINDINGS").is_some() {
            fs::write(&file, &ours).unwrap();
        }
        let theirs = fs::read_to_string(&file).unwrap();
        assert!(ours == theirs, "ui/src/bindings.ts is out of date: run cargo xtask bindings");
    }
}
