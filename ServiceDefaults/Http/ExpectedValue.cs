using System.Reflection;
using System.Text.Json;

namespace RagPlatform.ServiceDefaults.Http;

/// <summary>Says in JSON's words what is expected at a place of a request.</summary>
internal static class ExpectedValue
{
    /// <summary>What is expected at a path of a body.</summary>
    /// <param name="body">The type of the body; null when it is not known.</param>
    /// <param name="path">As <c>documents[3].id</c>; empty for the body itself.</param>
    /// <returns>For instance "a string", "one of low, normal, high", or null when the path leads nowhere.</returns>
    public static string? At(Type? body, string path)
    {
        var type = body;
        foreach (var segment in path.Split('.', StringSplitOptions.RemoveEmptyEntries))
        {
            var bracket = segment.IndexOf('[', StringComparison.Ordinal);
            var name = bracket < 0 ? segment : segment[..bracket];
            type = type?.GetProperty(name, BindingFlags.Public | BindingFlags.Instance | BindingFlags.IgnoreCase)?.PropertyType;
            if (bracket >= 0)
            {
                type = type?.GetGenericArguments().FirstOrDefault();
            }
        }

        return type is null ? null : Describe(type);
    }

    /// <summary>A .NET type in JSON's words.</summary>
    public static string Describe(Type type)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        return Type.GetTypeCode(type) switch
        {
            _ when type.IsEnum => "one of " + string.Join(", ", Enum.GetNames(type).Select(JsonNamingPolicy.CamelCase.ConvertName)),
            TypeCode.String => "a string",
            TypeCode.Int16 or TypeCode.Int32 or TypeCode.Int64 => "an integer",
            TypeCode.Single or TypeCode.Double or TypeCode.Decimal => "a number",
            TypeCode.Boolean => "true or false",
            _ when type == typeof(DateTimeOffset) => "a date and time in ISO 8601",
            _ when type.IsGenericType && type.GetInterfaces().Any(i => i == typeof(System.Collections.IEnumerable)) => "an array",
            _ => "an object",
        };
    }
}
