using Microsoft.Extensions.Configuration;

namespace RagPlatform.ServiceDefaults;

/// <summary>Finds the address of another service in the variables that Aspire injects (<c>services__{name}__{endpoint}__0</c>).</summary>
public static class ServiceAddress
{
    /// <summary>The address of a service: its <c>https</c> endpoint when there is one, else <c>http</c>.</summary>
    /// <param name="configuration">The service's configuration.</param>
    /// <param name="name">The service's resource name, for example <c>embedding-service</c>.</param>
    /// <exception cref="InvalidOperationException">No address is configured, or it is no absolute http or https address.</exception>
    public static Uri Get(IConfiguration configuration, string name) =>
        Find(configuration, name) ?? throw new InvalidOperationException(
            $"There is no address for the service '{name}': set services__{name}__http__0 to its base address, "
            + "for example http://localhost:8080.");

    /// <summary>As <see cref="Get"/>, with <see langword="null"/> where no address is configured.</summary>
    /// <inheritdoc cref="Get"/>
    public static Uri? Find(IConfiguration configuration, string name)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        ArgumentException.ThrowIfNullOrEmpty(name);

        foreach (var endpoint in (ReadOnlySpan<string>)["https", "http"])
        {
            var key = $"services:{name}:{endpoint}:0";
            if (configuration[key] is not { Length: > 0 } value)
            {
                continue;
            }

            if (!Uri.TryCreate(value, UriKind.Absolute, out var address) || address.Scheme is not ("http" or "https"))
            {
                throw new InvalidOperationException($"'{value}' in {key} is no http or https address.");
            }

            return address;
        }

        return null;
    }
}
