//! PostgreSQL's own functions that tools call when they look around.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};
use datafusion_pg_catalog::pg_catalog as pg;

use super::super::session::Session;
use super::super::settings::SERVER_VERSION;
use super::super::{DATABASE, SCHEMA};
use super::{INFORMATION_SCHEMA, OWNER, PG_CATALOG};

/// The same for every session.
pub(super) fn of_server() -> Vec<ScalarUDF> {
    let text = |name, value: &str| constant(name, ScalarValue::from(value));
    let no_text = |name| constant(name, ScalarValue::Utf8(None));
    let yes = |name| constant(name, ScalarValue::from(true));
    let mut functions = vec![
        text("version", &format!("PostgreSQL {SERVER_VERSION}")),
        text("current_database", DATABASE),
        text("current_catalog", DATABASE),
        text("current_schema", SCHEMA),
        text("pg_get_userbyid", OWNER),
        no_text("obj_description"),
        no_text("col_description"),
        no_text("shobj_description"),
        no_text("pg_get_indexdef"),
        no_text("pg_get_viewdef"),
        no_text("pg_get_ruledef"),
        no_text("pg_get_triggerdef"),
        no_text("pg_get_functiondef"),
        no_text("pg_get_function_result"),
        no_text("pg_get_function_arguments"),
        no_text("pg_get_function_identity_arguments"),
        no_text("pg_get_serial_sequence"),
        no_text("pg_tablespace_location"),
        no_text("inet_server_addr"),
        no_text("inet_client_addr"),
        yes("pg_table_is_visible"),
        yes("pg_type_is_visible"),
        yes("pg_function_is_visible"),
        yes("pg_operator_is_visible"),
        yes("pg_collation_is_visible"),
        yes("pg_opclass_is_visible"),
        yes("pg_ts_config_is_visible"),
        yes("has_column_privilege"),
        yes("has_function_privilege"),
        yes("has_type_privilege"),
        constant("pg_is_in_recovery", ScalarValue::from(false)),
        constant("pg_table_size", ScalarValue::from(0_i64)),
        constant("pg_indexes_size", ScalarValue::from(0_i64)),
        constant("pg_database_size", ScalarValue::from(0_i64)),
        text("pg_size_pretty", "0 bytes"),
        ScalarUDF::new_from_impl(CurrentSchemas::new()),
        pg::format_type::create_format_type_udf(),
        pg::pg_get_expr_udf::create_pg_get_expr_udf(),
        pg::create_pg_get_partkeydef_udf(),
        pg::create_pg_relation_is_publishable_udf(),
        pg::create_pg_get_statisticsobjdef_columns_udf(),
        pg::create_pg_encoding_to_char_udf(),
        pg::create_pg_relation_size_udf(),
        pg::create_pg_total_relation_size_udf(),
        pg::create_pg_stat_get_numscans(),
        pg::create_pg_get_constraintdef(),
        pg::create_pg_get_partition_ancestors_udf(),
        pg::quote_ident_udf::create_quote_ident_udf(),
        pg::quote_ident_udf::create_parse_ident_udf(),
        pg::array_bounds_udf::create_array_upper_udf(),
        pg::array_bounds_udf::create_array_lower_udf(),
    ];
    let privileges =
        ["has_table_privilege", "has_schema_privilege", "has_database_privilege", "has_any_column_privilege"];
    functions.extend(privileges.map(pg::has_privilege_udf::create_has_privilege_udf));
    functions
}

/// What depends on who asks.
pub(super) fn of_session(session: &Arc<Session>) -> Vec<ScalarUDF> {
    let user = |name| constant(name, ScalarValue::from(session.user.as_str()));
    vec![
        user("session_user"),
        user("current_user"),
        user("current_role"),
        user("user"),
        constant("pg_backend_pid", ScalarValue::from(session.process_id)),
        ScalarUDF::new_from_impl(SettingFunction::new("current_setting", session)),
        ScalarUDF::new_from_impl(SettingFunction::new("set_config", session)),
    ]
}

fn constant(name: &'static str, value: ScalarValue) -> ScalarUDF {
    let any = TypeSignature::OneOf(vec![TypeSignature::Nullary, TypeSignature::VariadicAny]);
    ScalarUDF::new_from_impl(Constant { name, value, signature: Signature::new(any, Volatility::Stable) })
}

/// One answer, whatever it is asked with.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Constant {
    name: &'static str,
    value: ScalarValue,
    signature: Signature,
}

impl ScalarUDFImpl for Constant {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.value.data_type())
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Scalar(self.value.clone()))
    }
}

/// `current_schemas(include_implicit)`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct CurrentSchemas {
    signature: Signature,
}

impl CurrentSchemas {
    fn new() -> CurrentSchemas {
        CurrentSchemas { signature: Signature::exact(vec![DataType::Boolean], Volatility::Stable) }
    }
}

impl ScalarUDFImpl for CurrentSchemas {
    fn name(&self) -> &str {
        "current_schemas"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let implicit = matches!(args.args.first(), Some(ColumnarValue::Scalar(ScalarValue::Boolean(Some(true)))));
        let names: &[&str] = if implicit { &[PG_CATALOG, SCHEMA, INFORMATION_SCHEMA] } else { &[SCHEMA] };
        let names: Vec<ScalarValue> = names.iter().map(|name| ScalarValue::from(*name)).collect();
        Ok(ColumnarValue::Scalar(ScalarValue::List(ScalarValue::new_list_nullable(&names, &DataType::Utf8))))
    }
}

/// `current_setting(name [, missing_ok])` and `set_config(name, value, is_local)`.
#[derive(Debug)]
struct SettingFunction {
    name: &'static str,
    session: Arc<Session>,
    signature: Signature,
}

impl SettingFunction {
    fn new(name: &'static str, session: &Arc<Session>) -> SettingFunction {
        // asking is folded while planning; changing must happen once for each row
        let volatility = if name == "set_config" { Volatility::Volatile } else { Volatility::Stable };
        let signature = Signature::variadic_any(volatility);
        SettingFunction { name, session: Arc::clone(session), signature }
    }

    fn answer(&self, setting: Option<&str>, value: Option<&str>, missing_ok: bool) -> Result<Option<String>> {
        let Some(setting) = setting else { return Ok(None) };
        let mut settings = self.session.settings();
        if let Some(value) = value {
            settings.set(setting, value).map_err(|failure| DataFusionError::Execution(failure.message))?;
        }
        match settings.get(setting) {
            Some(value) => Ok(Some(value.to_owned())),
            None if missing_ok => Ok(None),
            None => Err(DataFusionError::Execution(format!("unrecognized configuration parameter \"{setting}\""))),
        }
    }
}

impl PartialEq for SettingFunction {
    fn eq(&self, other: &SettingFunction) -> bool {
        self.name == other.name && Arc::ptr_eq(&self.session, &other.session)
    }
}

impl Eq for SettingFunction {}

impl Hash for SettingFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for SettingFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let columns = ColumnarValue::values_to_arrays(&args.args)?;
        let texts = columns.iter().map(|c| cast(c, &DataType::Utf8)).collect::<Result<Vec<ArrayRef>, _>>()?;
        let text = |column: usize, row: usize| {
            texts.get(column).filter(|c| !c.is_null(row)).map(|c| c.as_string::<i32>().value(row))
        };
        let rows = columns.first().map_or(0, |column| column.len());
        let answers = (0..rows)
            .map(|row| match self.name {
                "set_config" => self.answer(text(0, row), text(1, row), false),
                _ => self.answer(text(0, row), None, text(1, row) == Some("true")),
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(ColumnarValue::Array(Arc::new(StringArray::from(answers))))
    }
}
