using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Npgsql;
using Pgvector;

namespace RagPlatform.Storage;

/// <summary>Vectors as PostgreSQL has them: binary values of pgvector's types.</summary>
internal static class VectorValue
{
    /// <summary>A vector as a value of the type of a space's column.</summary>
    /// <param name="space">The space.</param>
    /// <param name="vector">The vector; not copied where the column is of full precision.</param>
    public static object Of(SpaceRow space, ReadOnlyMemory<float> vector) => space.VectorType == "halfvec" ? Half(vector.Span) : new Vector(vector);

    /// <summary>Reads a column of a space's type.</summary>
    public static float[] Read(NpgsqlDataReader reader, int ordinal, SpaceRow space)
    {
        if (space.VectorType != "halfvec")
        {
            var memory = reader.GetFieldValue<Vector>(ordinal).Memory;
            return MemoryMarshal.TryGetArray(memory, out var all) && all.Array!.Length == memory.Length ? all.Array : memory.ToArray();
        }

        var half = reader.GetFieldValue<HalfVector>(ordinal).Memory;
        var vector = new float[half.Length];
        TensorPrimitives.ConvertToSingle(half.Span, vector);
        return vector;
    }

    private static HalfVector Half(ReadOnlySpan<float> vector)
    {
        var half = new Half[vector.Length];
        TensorPrimitives.ConvertToHalf(vector, half);
        return new(half);
    }
}
