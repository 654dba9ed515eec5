using RagPlatform.EmbeddingService.Gateway;

namespace RagPlatform.EmbeddingService.Providers;

/// <summary>
/// Sends a batch, and when the provider refuses it finds out what it refuses: a text (its neighbours get their vectors), so many texts at a time (the
/// number is remembered), or everything (then no text is blamed).
/// </summary>
internal sealed partial class RefusalSearch(
    ProviderCaller provider, EndpointCaller caller, ProviderOrder order, TimeProvider time, ILogger logger)
{
    private ProviderOrder _order = order;
    private bool _answers;
    private int _blamed;

    /// <summary>Sends the batch; the order is told what became of each text.</summary>
    public async Task RunAsync(IReadOnlyList<Flight> flights)
    {
        if (await SendAsync(flights) is not { } refusal)
        {
            return;
        }

        if (flights.Count == 1)
        {
            await BlameAsync(flights, await AnswersOthersAsync() ?? refusal);
            return;
        }

        LogSearching(_order.Target.Model.Definition.Name, flights.Count, refusal.Status);
        _answers |= refusal.Status >= 500;
        _order = _order with { Isolating = true };
        if (await HalveAsync(flights) && _blamed == 0)
        {
            Learn((flights.Count + 1) / 2);
        }
    }

    // Null when it is done, also when it failed for another reason than the texts.
    private async Task<ProviderException?> SendAsync(IReadOnlyList<Flight> flights)
    {
        try
        {
            await provider.TryAsync(_order, flights);
            _answers = true;
            return null;
        }
        catch (ProviderException e) when (e.Failure == ProviderFailure.Rejected)
        {
            return e;
        }
        catch (ProviderException e)
        {
            await _order.FailAsync(flights, e);
            return null;
        }
    }

    // True when both halves were taken as they are.
    private async Task<bool> HalveAsync(IReadOnlyList<Flight> flights)
    {
        var half = (flights.Count + 1) / 2;
        IReadOnlyList<Flight>[] halves = [[.. flights.Take(half)], [.. flights.Skip(half)]];
        var refusals = await Task.WhenAll(halves.Select(SendAsync));
        if (refusals[0] is not null && refusals[1] is not null)
        {
            if (await AnswersOthersAsync() is { } everything)
            {
                await _order.FailAsync(flights, everything);
            }
            else
            {
                await ClimbAsync(flights, refusals[0]!);
            }

            return false;
        }

        for (var i = 0; i < halves.Length; i++)
        {
            if (refusals[i] is { } again)
            {
                await (halves[i].Count == 1 ? BlameAsync(halves[i], again) : HalveAsync(halves[i]));
                return false;
            }
        }

        return true;
    }

    // Several texts are refused, or fewer at a time are taken: from one on, twice as many each time, and half as many after a refusal.
    private async Task ClimbAsync(IReadOnlyList<Flight> flights, ProviderException refusal)
    {
        var (size, most, blamed) = (1, flights.Count, _blamed);
        for (var start = 0; start < flights.Count;)
        {
            IReadOnlyList<Flight> batch = [.. flights.Skip(start).Take(size)];
            if (await SendAsync(batch) is not { } again)
            {
                start += batch.Count;
                size = Math.Min(batch.Count * 2, most);
            }
            else if (batch.Count > 1)
            {
                size = most = batch.Count / 2;
            }
            else
            {
                // That one explains the refusals so far.
                await BlameAsync(batch, again);
                start++;
                most = flights.Count;
            }
        }

        if (most < flights.Count && _blamed == blamed && refusal.Status > 0)
        {
            Learn(most);
        }
    }

    private async Task BlameAsync(IReadOnlyList<Flight> text, ProviderException refusal)
    {
        _blamed++;
        await _order.FailAsync(text, refusal);
    }

    // Null when it answers other texts; otherwise what to say of all of them.
    private async Task<ProviderException?> AnswersOthersAsync()
    {
        var endpoint = _order.Target.Model.Endpoints.FirstOrDefault(endpoint => endpoint.CanTry) ?? _order.Target.Model.Endpoints[0];
        if (_answers || await caller.ProbeAsync(endpoint, _order.Target) is not { Failure: ProviderFailure.Rejected or ProviderFailure.Unusable } refused)
        {
            _answers = true;
            return null;
        }

        return new ProviderException(ProviderFailure.Unusable, $"The provider refuses every text: {refused.Message}", refused) { Status = refused.Status };
    }

    private void Learn(int texts)
    {
        foreach (var endpoint in _order.Target.Model.Endpoints)
        {
            endpoint.State.LearnMaxTexts(texts, time);
        }

        LogLimit(_order.Target.Model.Definition.Name, texts);
    }

    [LoggerMessage(1, LogLevel.Warning, "Model {Model}: the provider refused a batch of {Texts} texts with {Status}; looking for what it means")]
    private partial void LogSearching(string model, int texts, int status);

    [LoggerMessage(5, LogLevel.Information, "Model {Model}: the provider takes fewer texts at a time than it was sent; it gets at most {Texts} for an hour")]
    private partial void LogLimit(string model, int texts);
}
