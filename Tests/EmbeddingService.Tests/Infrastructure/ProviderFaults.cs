using System.Net;

namespace RagPlatform.EmbeddingService.Tests.Infrastructure;

/// <summary>Everything that a provider can do wrong with a batch, and two things that are right but unusual.</summary>
internal static class ProviderFaults
{
    public static HttpResponseMessage? Next(Random random, ProviderCall call)
    {
        lock (random)
        {
            var vectors = call.Texts.Select((text, i) => (Index: i, Vector: ScriptedProvider.VectorOf(text, 1536))).ToList();
            var victim = random.Next(vectors.Count);
            switch (random.Next(14))
            {
                case 0: // shuffled, with right indexes: sound
                    vectors = [.. vectors.OrderBy(_ => random.Next())];
                    break;
                case 1:
                    vectors.RemoveAt(victim);
                    break;
                case 2:
                    vectors.Add((vectors.Count, vectors[0].Vector));
                    break;
                case 3:
                    vectors[victim].Vector[7] = float.NaN;
                    break;
                case 4:
                    Array.Clear(vectors[victim].Vector);
                    break;
                case 5:
                    vectors[victim] = (victim, vectors[victim].Vector[..^1]);
                    break;
                case 6 when vectors.Count > 1:
                    vectors[victim] = ((victim + 1) % vectors.Count, vectors[victim].Vector);
                    break;
                case 7:
                    return new HttpResponseMessage(HttpStatusCode.OK) { Content = new StringContent("{\"data\":[{\"index\":0,\"embedding\":[0.1,") };
                default:
                    break;
            }

            return Answer(vectors);
        }
    }

    // NaN is no JSON, base64 carries it.
    private static HttpResponseMessage Answer(List<(int Index, float[] Vector)> vectors) => new(HttpStatusCode.OK)
    {
        Content = System.Net.Http.Json.JsonContent.Create(new
        {
            data = vectors.Select(v => new
            {
                index = v.Index,
                embedding = Convert.ToBase64String(System.Runtime.InteropServices.MemoryMarshal.AsBytes(v.Vector.AsSpan())),
            }),
            usage = new { prompt_tokens = vectors.Count },
        }),
    };
}
