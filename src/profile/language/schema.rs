//! The language as a JSON Schema, for editors that complete and check YAML.

use super::raw::RawProfile;
use crate::standard::Annex;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

/// The JSON Schema (draft 2020-12) of the profile language, from the types that read it.
pub fn schema() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    generator.into_root_schema_for::<RawProfile>().to_value()
}

pub(super) fn options() -> Value {
    let names: Vec<&str> = Annex::ALL.into_iter().map(Annex::name).collect();
    json!({ "type": "string", "enum": names })
}

#[cfg(test)]
mod tests {
    use super::schema;

    #[test]
    fn the_schema_names_every_word_of_the_language() {
        let schema = schema();
        let words = schema["properties"].as_object().unwrap();
        for word in
            ["efface_profile", "name", "based_on", "options", "dates", "rules", "devices", "faces"]
        {
            assert!(words.contains_key(word), "{word}");
            assert!(!words[word]["description"].as_str().unwrap_or_default().is_empty(), "{word}");
        }
        assert_eq!(schema["additionalProperties"], false);
        let rule = &schema["$defs"]["RawRule"]["properties"];
        assert_eq!(rule["action"]["enum"].as_array().unwrap().len(), 6);
        assert_eq!(words["options"]["items"]["enum"].as_array().unwrap().len(), 12);
    }
}
