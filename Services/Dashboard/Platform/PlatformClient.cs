using System.Diagnostics;
using Microsoft.Extensions.Options;
using RagPlatform.Contracts;

namespace RagPlatform.Dashboard.Platform;

/// <summary>The two services that the dashboard talks to. A call never throws for what they do: it says why there is no answer.</summary>
internal sealed class PlatformClient(
    RagClient rag,
    EmbeddingGatewayClient gateway,
    ServiceAddresses addresses,
    IHttpContextAccessor http,
    IOptions<DashboardOptions> options)
{
    private const string Api = "The search API";
    private const string Gateway = "The embedding service";

    /// <summary>Calls the search API.</summary>
    public Task<Answer<T>> AskAsync<T>(Func<RagClient, CancellationToken, Task<T>> call) =>
        AskAsync(token => call(rag, token), Api, addresses.Api);

    /// <summary>The models that the embedding service offers.</summary>
    public Task<Answer<IReadOnlyList<EmbeddingModel>>> ListModelsAsync() =>
        AskAsync(gateway.ListModelsAsync, Gateway, addresses.Embedding);

    private async Task<Answer<T>> AskAsync<T>(Func<CancellationToken, Task<T>> call, string service, Uri address)
    {
        var aborted = http.HttpContext?.RequestAborted ?? CancellationToken.None;
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(aborted);
        timeout.CancelAfter(options.Value.CallTimeout);
        try
        {
            return new(await call(timeout.Token), null);
        }
        catch (Exception exception) when (Failure.Explains(exception) && !aborted.IsCancellationRequested)
        {
            Activity.Current?.AddException(exception);
            return new(default, Failure.From(exception, service, address));
        }
    }
}

/// <summary>Where the two services are.</summary>
/// <param name="Api">The search API.</param>
/// <param name="Embedding">The embedding service.</param>
internal sealed record ServiceAddresses(Uri Api, Uri Embedding);
