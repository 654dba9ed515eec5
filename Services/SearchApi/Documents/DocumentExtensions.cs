using RagPlatform.SearchApi.Limits;

namespace RagPlatform.SearchApi.Documents;

/// <summary>Composes the feature.</summary>
internal static class DocumentExtensions
{
    /// <summary>Adds writing, waiting, and the connection that listens for what is waited for.</summary>
    public static void AddDocuments(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<DocumentWriter>();
        builder.Services.AddSingleton<WaitSlots>();
        builder.Services.AddSingleton<IndexingWaiter>();
        builder.Services.AddSingleton<GenerationSignal>();
        builder.Services.AddHostedService(services => services.GetRequiredService<GenerationSignal>());
    }
}
