using Microsoft.Extensions.Options;

namespace RagPlatform.ServiceDefaults.Auth;

/// <summary>Who may call. Section <c>Auth</c>.</summary>
public sealed class AuthOptions
{
    /// <summary>The configuration section.</summary>
    public const string Section = "Auth";

    /// <summary>The fewest characters of an admin key.</summary>
    public const int MinKeyLength = 16;

    /// <summary>The key that may do everything. Services use it among each other.</summary>
    /// <value>At least 16 characters, no white space. There is no default.</value>
    public string? AdminKey { get; set; }

    /// <summary>
    /// A file that holds the admin key, read once at start; white space around it is ignored. <see cref="AdminKey"/> wins over it.
    /// </summary>
    /// <value>A path. There is no default.</value>
    public string? AdminKeyFile { get; set; }

    /// <summary>Whether every caller is an admin. For a machine that nobody else reaches.</summary>
    /// <value>The default is <see langword="false"/>.</value>
    public bool Disabled { get; set; }

    /// <summary>
    /// For how long a workspace key that was found, or was not, is believed without asking the store again: the time until a revocation
    /// holds.
    /// </summary>
    /// <value>0 (always ask) to 10 minutes. The default is 10 seconds.</value>
    public TimeSpan KeyCacheDuration { get; set; } = TimeSpan.FromSeconds(10);
}

/// <summary>Refuses a start without a usable admin key, in a sentence that says what to do.</summary>
internal sealed class AuthOptionsValidator : IValidateOptions<AuthOptions>
{
    private static readonly TimeSpan s_maxKeyCacheDuration = TimeSpan.FromMinutes(10);

    public ValidateOptionsResult Validate(string? name, AuthOptions options)
    {
        if (options.KeyCacheDuration < TimeSpan.Zero || options.KeyCacheDuration > s_maxKeyCacheDuration)
        {
            return ValidateOptionsResult.Fail("Auth:KeyCacheDuration must be between 0 and 10 minutes.");
        }

        if (options.Disabled)
        {
            return ValidateOptionsResult.Success;
        }

        try
        {
            return AdminKey.Read(options) switch
            {
                null => ValidateOptionsResult.Fail(
                    "There is no admin key. Set Auth__AdminKey, or Auth__AdminKeyFile to a file that holds it, "
                    + "or Auth__Disabled=true to let everybody in."),
                { Length: < AuthOptions.MinKeyLength } => ValidateOptionsResult.Fail(
                    $"The admin key has fewer than {AuthOptions.MinKeyLength} characters."),
                var key when key.Any(char.IsWhiteSpace) => ValidateOptionsResult.Fail("The admin key holds white space."),
                _ => ValidateOptionsResult.Success,
            };
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return ValidateOptionsResult.Fail(
                $"The admin key cannot be read from the file '{options.AdminKeyFile}' (Auth:AdminKeyFile): {exception.Message}");
        }
    }
}
