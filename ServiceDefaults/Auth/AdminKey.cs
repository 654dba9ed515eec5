using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Options;

namespace RagPlatform.ServiceDefaults.Auth;

/// <summary>The key that may do everything.</summary>
public sealed class AdminKey
{
    private readonly byte[]? _hash;

    /// <summary>Reads the key that is configured.</summary>
    public AdminKey(IOptions<AuthOptions> options)
    {
        Value = options.Value.Disabled ? null : Read(options.Value);
        _hash = Value is null ? null : Hash(Value);
    }

    /// <summary>The key, to be sent to other services; <see langword="null"/> where authentication is disabled.</summary>
    public string? Value { get; }

    /// <summary>Whether a presented key is the admin key. The time it takes says nothing about the key.</summary>
    public bool Matches(string presented) => _hash is not null && CryptographicOperations.FixedTimeEquals(_hash, Hash(presented));

    /// <summary>The SHA-256 of a key's UTF-8 bytes: 32 bytes. What a store keeps in place of the key.</summary>
    public static byte[] Hash(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));

    /// <summary>The configured key, or <see langword="null"/>.</summary>
    /// <exception cref="IOException">The file cannot be read.</exception>
    internal static string? Read(AuthOptions options)
    {
        var key = options.AdminKey is { Length: > 0 } direct ? direct
            : options.AdminKeyFile is { Length: > 0 } path ? File.ReadAllText(path).Trim()
            : null;
        return key is { Length: > 0 } ? key : null;
    }
}
