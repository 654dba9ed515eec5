using System.Globalization;
using Npgsql;

namespace RagPlatform.Storage;

/// <summary>How a value is compared.</summary>
public enum FilterOperator
{
    /// <summary>Greater.</summary>
    GreaterThan,

    /// <summary>Greater or equal.</summary>
    GreaterThanOrEqual,

    /// <summary>Less.</summary>
    LessThan,

    /// <summary>Less or equal.</summary>
    LessThanOrEqual,
}

/// <summary>A time of the document's own.</summary>
public enum FilterTime
{
    /// <summary>When it was put first.</summary>
    CreatedAt,

    /// <summary>When it was changed last.</summary>
    UpdatedAt,
}

/// <summary>
/// A condition on documents. Each one is true or false of each document, never unknown: what is absent equals nothing and is in no order.
/// Values become parameters; nothing of them gets into the text of a statement.
/// </summary>
public abstract record Filter
{
    private protected Filter()
    {
    }

    /// <summary>The condition as an SQL expression over the table alias <c>d</c> of documents.</summary>
    /// <param name="parameters">The statement's positional parameters, to which the values are added.</param>
    internal abstract string ToSql(NpgsqlParameterCollection parameters);

    private protected static string Add(NpgsqlParameterCollection parameters, object value)
    {
        parameters.Add(new() { Value = value });
        return "$" + parameters.Count.ToString(CultureInfo.InvariantCulture);
    }

    // The arrow with a text on its right reads members of objects only, never places of arrays.
    private protected static string Member(NpgsqlParameterCollection parameters, IReadOnlyList<string> path) =>
        "d.metadata" + string.Concat(path.Select(name => $" -> {Add(parameters, name)}::text"));

    private protected static string Sign(FilterOperator comparison) => comparison switch
    {
        FilterOperator.GreaterThan => ">",
        FilterOperator.GreaterThanOrEqual => ">=",
        FilterOperator.LessThan => "<",
        _ => "<=",
    };

    private protected static string Join(IReadOnlyList<Filter> conditions, string word, string none, NpgsqlParameterCollection parameters) =>
        conditions.Count == 0 ? none : "(" + string.Join(word, conditions.Select(condition => condition.ToSql(parameters))) + ")";
}

/// <summary>All conditions are true; true when there are none.</summary>
public sealed record AndFilter(IReadOnlyList<Filter> Conditions) : Filter
{
    internal override string ToSql(NpgsqlParameterCollection parameters) => Join(Conditions, " AND ", "true", parameters);
}

/// <summary>At least one condition is true; false when there are none.</summary>
public sealed record OrFilter(IReadOnlyList<Filter> Conditions) : Filter
{
    internal override string ToSql(NpgsqlParameterCollection parameters) => Join(Conditions, " OR ", "false", parameters);
}

/// <summary>The condition is false.</summary>
public sealed record NotFilter(Filter Condition) : Filter
{
    internal override string ToSql(NpgsqlParameterCollection parameters) => $"NOT ({Condition.ToSql(parameters)})";
}

/// <summary>A member of the metadata has a value.</summary>
/// <param name="Path">The names of the members on the way.</param>
/// <param name="Json">The value, as JSON.</param>
/// <param name="Document">An object that has nothing but this value at <paramref name="Path"/>, as JSON.</param>
/// <param name="IsScalar">Whether the value is neither an array nor an object.</param>
public sealed record EqualsFilter(IReadOnlyList<string> Path, string Json, string Document, bool IsScalar) : Filter
{
    // Containment is what the GIN index knows; of arrays and objects it is less than equality.
    internal override string ToSql(NpgsqlParameterCollection parameters) => IsScalar
        ? $"d.metadata @> {Add(parameters, Document)}::jsonb"
        : $"(d.metadata @> {Add(parameters, Document)}::jsonb AND {Member(parameters, Path)} = {Add(parameters, Json)}::jsonb)";
}

/// <summary>A member of the metadata has one of some values, none of which is an array or an object.</summary>
/// <param name="Documents">Objects that have nothing but one of the values at the member's path, as JSON.</param>
public sealed record AnyEqualsFilter(IReadOnlyList<string> Documents) : Filter
{
    // The GIN index is looked up for each element.
    internal override string ToSql(NpgsqlParameterCollection parameters) => $"d.metadata @> ANY ({Add(parameters, Documents.ToArray())}::text[]::jsonb[])";
}

/// <summary>A member that is an array has all of some elements.</summary>
/// <param name="Document">An object that has nothing but an array of these elements at the member's path, as JSON.</param>
public sealed record ContainsFilter(string Document) : Filter
{
    internal override string ToSql(NpgsqlParameterCollection parameters) => $"d.metadata @> {Add(parameters, Document)}::jsonb";
}

/// <summary>A member is there; its value may be null.</summary>
public sealed record ExistsFilter(IReadOnlyList<string> Path) : Filter
{
    internal override string ToSql(NpgsqlParameterCollection parameters) => $"({Member(parameters, Path)}) IS NOT NULL";
}

/// <summary>A member that is a number is above or below another.</summary>
/// <param name="Path">The names of the members on the way.</param>
/// <param name="Operator">How it is compared.</param>
/// <param name="Json">The number, as JSON.</param>
public sealed record NumberFilter(IReadOnlyList<string> Path, FilterOperator Operator, string Json) : Filter
{
    // Numbers of jsonb are compared as such, without a cast that could fail before the type is looked at.
    internal override string ToSql(NpgsqlParameterCollection parameters)
    {
        var member = Member(parameters, Path);
        return $"CASE WHEN jsonb_typeof({member}) = 'number' THEN ({member}) {Sign(Operator)} {Add(parameters, Json)}::jsonb ELSE false END";
    }
}

/// <summary>A member that is a string is before or behind another, by the bytes of UTF-8: dates in ISO 8601 are in the order of time.</summary>
public sealed record StringFilter(IReadOnlyList<string> Path, FilterOperator Operator, string Value) : Filter
{
    internal override string ToSql(NpgsqlParameterCollection parameters)
    {
        var member = Member(parameters, Path);
        return $$"""
            CASE WHEN jsonb_typeof({{member}}) = 'string'
            THEN (({{member}}) #>> '{}') COLLATE "C" {{Sign(Operator)}} {{Add(parameters, Value)}}::text ELSE false END
            """;
    }
}

/// <summary>The document's own id is one of some.</summary>
public sealed record IdFilter(IReadOnlyList<string> Ids) : Filter
{
    internal override string ToSql(NpgsqlParameterCollection parameters) => $"d.document_id = ANY ({Add(parameters, Ids.ToArray())}::text[])";
}

/// <summary>The document is one of some, by their keys.</summary>
public sealed record DocumentKeyFilter(IReadOnlyList<long> Keys) : Filter
{
    internal override string ToSql(NpgsqlParameterCollection parameters) => $"d.document_key = ANY ({Add(parameters, Keys.ToArray())}::bigint[])";
}

/// <summary>One of the document's own times is before or behind another.</summary>
public sealed record TimeFilter(FilterTime Time, FilterOperator Operator, DateTimeOffset Value) : Filter
{
    internal override string ToSql(NpgsqlParameterCollection parameters) =>
        $"d.{(Time == FilterTime.CreatedAt ? "created_at" : "updated_at")} {Sign(Operator)} {Add(parameters, Value.ToUniversalTime())}::timestamptz";
}
