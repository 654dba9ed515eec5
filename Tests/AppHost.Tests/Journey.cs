using System.Net;
using System.Net.Http.Json;

namespace RagPlatform.AppHost.Tests;

/// <summary>What users do, the same whatever the servers are.</summary>
internal static class Journey
{
    public static async Task EveryServiceIsHealthyAsync(RunningAppHost host, CancellationToken cancellationToken)
    {
        foreach (var resource in (string[])["postgres", "ragdb", "cache", .. RunningAppHost.Services])
        {
            await host.App.ResourceNotifications.WaitForResourceHealthyAsync(resource, cancellationToken);
        }

        foreach (var service in RunningAppHost.Services)
        {
            using var client = host.App.CreateHttpClient(service, "http");
            foreach (var path in (string[])["/health", "/alive", "/metrics"])
            {
                using var response = await client.GetAsync(path, cancellationToken);
                Assert.Equal(HttpStatusCode.OK, response.StatusCode);
            }
        }
    }

    public static async Task PutAndSearchInEveryModeAsync(RunningAppHost host, string workspace, CancellationToken cancellationToken)
    {
        using var client = host.CreateApiClient();
        await RunningAppHost.EnsureSuccessAsync(
            await client.PostAsJsonAsync("v1/workspaces", new { name = workspace }, cancellationToken), cancellationToken);
        using var put = new HttpRequestMessage(HttpMethod.Put, $"v1/workspaces/{workspace}/documents/heron")
        {
            Content = JsonContent.Create(
                new { title = "Birds", text = "The grey heron stands still in shallow water until a fish comes near." }),
        };
        put.Headers.Add("Prefer", "wait=60");
        await RunningAppHost.EnsureSuccessAsync(await client.SendAsync(put, cancellationToken), cancellationToken);
        await SearchInEveryModeAsync(client, workspace, "grey heron", "heron", cancellationToken);
    }

    /// <summary>Stops the cache by its own command, searches, and starts it again.</summary>
    public static async Task SearchWithoutCacheAsync(RunningAppHost host, string workspace, CancellationToken cancellationToken)
    {
        using var client = host.CreateApiClient();
        await ExecuteAsync(host, "cache", KnownResourceCommands.StopCommand, cancellationToken);
        await host.App.ResourceNotifications.WaitForResourceAsync("cache", KnownResourceStates.TerminalStates, cancellationToken);

        await SearchInEveryModeAsync(client, workspace, "heron in shallow water", "heron", cancellationToken);

        await ExecuteAsync(host, "cache", KnownResourceCommands.StartCommand, cancellationToken);
        await host.App.ResourceNotifications.WaitForResourceHealthyAsync("cache", cancellationToken);
        await SearchInEveryModeAsync(client, workspace, "fish", "heron", cancellationToken);
    }

    /// <summary>Executes a command; of a service with replicas on one of them, as from the dashboard.</summary>
    public static async Task<ExecuteCommandResult> ExecuteAsync(
        RunningAppHost host, string resource, string command, CancellationToken cancellationToken)
    {
        var instance = RunningAppHost.Services.Contains(resource)
            ? (await FindInstanceAsync(host, resource, cancellationToken)).ResourceId
            : resource;
        var result = await host.App.ResourceCommands.ExecuteCommandAsync(instance, command, cancellationToken);
        Assert.True(result.Success, $"{command} of {resource}: {result.Message}");
        return result;
    }

    /// <summary>A running instance of a service.</summary>
    public static async Task<ResourceEvent> FindInstanceAsync(RunningAppHost host, string resource, CancellationToken cancellationToken)
    {
        await foreach (var change in host.App.ResourceNotifications.WatchAsync(cancellationToken))
        {
            if (change.Resource.Name == resource && change.Snapshot.State?.Text == KnownResourceStates.Running)
            {
                return change;
            }
        }

        throw new InvalidOperationException($"{resource} does not run.");
    }

    private static async Task SearchInEveryModeAsync(
        HttpClient client, string workspace, string query, string documentId, CancellationToken cancellationToken)
    {
        foreach (var mode in (string[])["keyword", "vector", "hybrid"])
        {
            using var response = await client.PostAsJsonAsync(
                $"v1/workspaces/{workspace}/search", new { query, mode, noCache = true }, cancellationToken);
            var answer = await RunningAppHost.EnsureSuccessAsync(response, cancellationToken);
            Assert.Equal(documentId, (string?)answer?["hits"]?[0]?["documentId"]);
        }
    }
}
