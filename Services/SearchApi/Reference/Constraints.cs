using System.ComponentModel.DataAnnotations;
using System.Globalization;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;

namespace RagPlatform.SearchApi.Reference;

/// <summary>Writes the limits of a record's members into its schema. The framework reads them from properties only, and ours are at the constructor.</summary>
internal static class Constraints
{
    /// <summary>Adds the limits of a member.</summary>
    public static Task ApplyAsync(OpenApiSchema schema, OpenApiSchemaTransformerContext context, CancellationToken cancellationToken)
    {
        foreach (var attribute in context.JsonPropertyInfo?.AssociatedParameter?.AttributeProvider?.GetCustomAttributes(inherit: false) ?? [])
        {
            Apply(schema, attribute);
        }

        return Task.CompletedTask;
    }

    private static void Apply(OpenApiSchema schema, object attribute)
    {
        switch (attribute)
        {
            case StringLengthAttribute length:
                schema.MaxLength = length.MaximumLength;
                schema.MinLength = length.MinimumLength > 0 ? length.MinimumLength : null;
                break;
            case RegularExpressionAttribute pattern:
                schema.Pattern = pattern.Pattern;
                break;
            case RangeAttribute range:
                schema.Minimum = Convert.ToString(range.Minimum, CultureInfo.InvariantCulture);
                schema.Maximum = Convert.ToString(range.Maximum, CultureInfo.InvariantCulture);
                break;
            case MinLengthAttribute least:
                schema.MinItems = least.Length;
                break;
            case MaxLengthAttribute most:
                schema.MaxItems = most.Length;
                break;
        }
    }
}
