//! Fields of a topic's records that no table of the pipeline declares: told once, counted, and which tables would take them.

use super::{Flow, FlowNode, FlowOptions, SourceRuntime, lock};
use crate::decode::{UNKNOWN_FIELDS_MAX, UnknownFields};
use crate::graph::{Graph, NodeId, NodeKind, Sink};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What is new in a topic, since the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFields {
    pub topic: String,
    /// The topic's table in the pipeline.
    pub table: String,
    /// Lake tables that get the topic's rows one by one, with the names of their columns.
    pub lake_tables: Vec<(String, Vec<String>)>,
    pub fields: UnknownFields,
}

/// What is no news in a topic, if anybody wants to know.
pub(super) fn known_fields(graph: &Graph, topic: &str, options: &FlowOptions) -> Option<Arc<BTreeSet<String>>> {
    let mut known = options.known_fields.as_ref()?.get(topic).cloned().unwrap_or_default();
    for node in &graph.nodes {
        if let NodeKind::Source(source) = &node.kind
            && source.topic == topic
        {
            known.extend(source.declared.iter().cloned());
        }
    }
    Some(Arc::new(known))
}

impl SourceRuntime {
    /// Counts fields nobody declares; each is told once.
    pub(super) fn note_unknown(&self, fields: Option<UnknownFields>) {
        let Some(fields) = fields else { return };
        let mut known = lock(&self.stats.unknown_fields);
        let had_room = known.unlisted() == 0;
        for field in known.absorb(fields) {
            let (topic, example) = (&self.topic, field.example.as_deref().unwrap_or("null"));
            let column = field.column_type();
            tracing::warn!(
                topic,
                field = field.path,
                example,
                column,
                "records have a field that the pipeline does not declare; hoga status tells how to take it"
            );
        }
        if had_room && known.unlisted() > 0 {
            tracing::warn!(
                topic = self.topic,
                listed_max = UNKNOWN_FIELDS_MAX,
                "records have more fields that the pipeline does not declare; they are counted together"
            );
        }
    }
}

impl Flow {
    /// Of each topic that has any.
    pub fn new_fields(&self) -> Vec<NewFields> {
        let of_source = |source: &SourceRuntime| {
            let fields = lock(&source.stats.unknown_fields).clone();
            let NodeKind::Source(spec) = &self.nodes[source.node].node.kind else { return None };
            let mut lake_tables: Vec<(String, Vec<String>)> = Vec::new();
            for FlowNode { node, .. } in &self.nodes {
                if let NodeKind::Sink(Sink::Lake { spec, .. }) = &node.kind
                    && self.is_plain(&node.inputs, source.node)
                {
                    let columns = spec.schema.fields().iter().map(|field| field.name().clone());
                    let name = node.name.strip_prefix("sink ").unwrap_or(&node.name);
                    // a second statement has a number behind the name
                    let is_listed = lake_tables.iter().any(|(listed, _)| name.starts_with(&format!("{listed} ")));
                    if !is_listed {
                        lake_tables.push((name.to_owned(), columns.collect()));
                    }
                }
            }
            let (topic, table) = (source.topic.clone(), spec.table.clone());
            (fields != UnknownFields::default()).then_some(NewFields { topic, table, lake_tables, fields })
        };
        self.sources.iter().filter_map(of_source).collect()
    }

    /// Whether the rows come from the source through nothing but filters and projections.
    fn is_plain(&self, inputs: &[NodeId], source: NodeId) -> bool {
        let [input] = inputs else { return false };
        match &self.nodes[*input].node {
            _ if *input == source => true,
            node if matches!(node.kind, NodeKind::Calc(_)) => self.is_plain(&node.inputs, source),
            _ => false,
        }
    }
}
