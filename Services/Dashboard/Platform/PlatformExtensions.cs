using RagPlatform.Contracts;
using RagPlatform.ServiceDefaults;
using RagPlatform.ServiceDefaults.Auth;

namespace RagPlatform.Dashboard.Platform;

/// <summary>Composes the clients of the other services.</summary>
internal static class PlatformExtensions
{
    public static void AddPlatform(this WebApplicationBuilder builder)
    {
        var addresses = new ServiceAddresses(
            ServiceAddress.Get(builder.Configuration, "search-api"), ServiceAddress.Get(builder.Configuration, "embedding-service"));
        builder.Services.AddSingleton(addresses);
        builder.Services.AddHttpContextAccessor();
        builder.Services.AddHttpClient<RagClient>(http => http.BaseAddress = addresses.Api).AddAdminKeyHeader();

        // The gateway wants a key even where none is asked for.
        builder.Services.AddSingleton(services =>
            new EmbeddingGatewayClient(addresses.Embedding, services.GetRequiredService<AdminKey>().Value ?? "none"));
        builder.Services.AddScoped<PlatformClient>();
    }
}
