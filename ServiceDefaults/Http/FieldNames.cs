using System.Text;
using System.Text.RegularExpressions;

namespace RagPlatform.ServiceDefaults.Http;

/// <summary>Names of fields in errors, as callers know them. Validation names members as C# does.</summary>
public static partial class FieldNames
{
    /// <summary>
    /// The path of a field as JSON has it: <c>Documents[3].Id</c> becomes <c>documents[3].id</c>.
    /// </summary>
    public static string ToJsonPath(string memberPath)
    {
        ArgumentNullException.ThrowIfNull(memberPath);
        var path = new StringBuilder(memberPath.Length);
        var first = true;
        foreach (var c in memberPath)
        {
            path.Append(first ? char.ToLowerInvariant(c) : c);
            first = c == '.';
        }

        return path.ToString();
    }

    /// <summary>
    /// A sentence of validation without the member's C# name, which is the key already: <c>The field Text must be …</c> becomes <c>Must be …</c>.
    /// </summary>
    public static string WithoutMemberName(string message) =>
        MemberName().Replace(message, match => match.Groups[1].Value.Length > 0 ? "It must" : "It is required");

    [GeneratedRegex("^The (?:field \\w+ (must)|\\w+ field is required)")]
    private static partial Regex MemberName();
}
